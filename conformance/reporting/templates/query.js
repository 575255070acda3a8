// Which faults an address means; nothing of the page.

/** The parts of an address: which fault, or which filters. */
export function parsed(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { fault: path.startsWith("fault/") ? path.slice("fault/".length) : "", filters: Object.fromEntries(new URLSearchParams(query)) };
}

/** Whether a fault, by its data, is one of what the filters name. */
export function matches(data, filters, text) {
  return Object.entries(filters).every(([name, value]) => {
    if (!value) return true;
    if (name === "q") return value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
    if (!(name in data)) return true;
    const listed = data[name].startsWith("[") ? JSON.parse(data[name]) : [data[name]];
    return listed.includes(value);
  });
}
