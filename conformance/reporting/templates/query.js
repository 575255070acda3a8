// What an address and a query mean; nothing of the page.

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

/** The table of questions, from the bytes that conformance/reporting/questions.py describes. */
export function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const cells = head.count * head.targets.length;
  let at = 4 + length;
  const take = (Kind, count) => {
    const array = new Kind(buffer, at, count);
    at += array.byteLength;
    return array;
  };
  const numbers = { case: take(Uint32Array, head.count) };
  const gap = take(Float32Array, head.count), n = take(Uint32Array, head.count);
  const over = take(Uint16Array, cells), ulp = take(Uint16Array, cells);
  for (const column of ["op", "dtype", "family", "way"]) numbers[column] = take(Uint8Array, head.count);
  return { ...head, numbers, gap, n, over, ulp, state: take(Uint8Array, cells), bits: take(Uint8Array, cells) };
}

/** The code of an answer that is not finite where the truth is, or the reverse. */
export const NONFINITE = 0xfffe;
const INFINITE = 0xfffd;

/** The error that a code means, of those that conformance/reporting/questions.py makes: infinite from 2^64 on, NaN where there is none. */
export function errorOf(code) {
  if (code >= INFINITE) return code === INFINITE ? Infinity : NaN;
  return code ? 2 ** ((code >> 9) - 63) * (1 + (code & 511) / 512) : 0;
}

/** Whether the first of two codes is that of the smaller error; any error is smaller than an answer that is not finite where it should be. */
export const closerOf = (one, other) => one < other && other <= NONFINITE;

const COLUMNS = ["op", "dtype", "family", "way", "case"];
const FINE = 3;
/** The states of a call that raises where it may, the first of what a target was asked, and of an answer that breaks the contract. */
export const REJECTED = 2, VIOLATION = 5;
const COMPARED = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b };

/** A mistake in a query; its message is one line. */
export class BadQuery extends Error {}

/** Whether question i is one of a query, as a function of i; throws BadQuery. */
export function compiled(text, table) {
  const tokens = text.match(/"[^"]*"|[()]|,|[^\s(),"]+/g) ?? [];
  let at = 0;
  const peek = () => tokens[at]?.toLowerCase();

  function any() {
    const parts = [all()];
    while (peek() === "or") { at += 1; parts.push(all()); }
    return parts.length === 1 ? parts[0] : (i) => parts.some((part) => part(i));
  }
  function all() {
    const parts = [];
    while (at < tokens.length && peek() !== ")" && peek() !== "or") {
      if (peek() === "and") { at += 1; continue; }
      parts.push(one());
    }
    if (!parts.length && text.trim()) throw new BadQuery(`something is missing ${at < tokens.length ? `before ${tokens[at]}` : "at the end"}`);
    return (i) => parts.every((part) => part(i));
  }
  function one() {
    const token = tokens[at++];
    if (token.toLowerCase() === "not") {
      if (at >= tokens.length) throw new BadQuery("not of what?");
      const inner = one();
      return (i) => !inner(i);
    }
    if (token === "(") {
      const inner = any();
      if (tokens[at++] !== ")") throw new BadQuery("a ) is missing");
      return inner;
    }
    if (token === ")" || token === ",") throw new BadQuery(`${token} stands where a term is wanted`);
    if (Object.hasOwn(functions, token.toLowerCase()) && tokens[at] === "(") {
      const end = tokens.indexOf(")", at);
      if (end < 0) throw new BadQuery("a ) is missing");
      const given = tokens.slice(at + 1, end).filter((word) => word !== ",");
      at = end + 1;
      return functions[token.toLowerCase()](given);
    }
    return term(token.replaceAll('"', ""));
  }

  const functions = { differs, closer, since };
  const who = (word) => {
    const found = table.targets.map((target, j) => [target, j]).filter(([{ name, framework, release, mode, device }]) =>
      name.startsWith(`${word}/`) || [name, framework, release, mode, device].includes(word)).map(([, j]) => j);
    if (!found.length) throw new BadQuery(`${word} is no target, framework, mode, release or device here; there are ${[...new Set(table.targets.map((target) => target.framework))].join(", ")}`);
    return found;
  };
  const cell = (array, j, i) => array[j * table.count + i];

  // gap and n are of the question, over and ulp of a target's answer to it: "gap>4", "torch:over>1", "ulp>1".
  function measured(name, column, sign, number) {
    const good = COMPARED[sign], limit = Number(number);
    if (!number || Number.isNaN(limit)) throw new BadQuery(`${number || "nothing"} is no number to compare ${column} with`);
    if (column === "gap" || column === "n") {
      if (name) throw new BadQuery(`${column} is of a question and not of a target`);
      return (i) => good(table[column][i], limit);
    }
    const asked = name ? who(name) : table.targets.map((_, j) => j);
    return (i) => asked.some((j) => good(errorOf(cell(table[column], j, i)), limit));
  }

  function term(token) {
    // The name of a target may hold a colon, and so may that of a case.
    const [, name, value] = token.match(/^(op|dtype|family|way|case):(.*)$/) ?? token.match(/^(.*):([^:]*)$/) ?? [null, "", token];
    const compared = value.match(/^(gap|n|over|ulp)([<>]=?)(.*)$/);
    if (compared) return measured(name, ...compared.slice(1));
    if (COLUMNS.includes(name)) {
      const good = table[name].map((text) => (name === "case" ? text.includes(value) : text === value));
      if (!good.includes(true)) throw new BadQuery(`no ${name} is ${value}${name === "case" ? "" : `: ${table[name].join(", ")}`}`);
      return (i) => good[table.numbers[name][i]];
    }
    if (name) {
      const wanted = table.states.indexOf(value.replace("_", " ")), asked = who(name);
      if (value === "nonfinite") return (i) => asked.some((j) => cell(table.over, j, i) === NONFINITE);
      if (wanted < 0) throw new BadQuery(`${value} is none of ${table.states.join(", ")}, nonfinite`);
      if (wanted !== FINE) return (i) => asked.some((j) => cell(table.state, j, i) === wanted);
      return (i) => {
        const seen = asked.map((j) => cell(table.state, j, i)).filter((state) => state >= REJECTED);
        return seen.length > 0 && seen.every((state) => state === FINE);
      };
    }
    const state = table.states.indexOf(value.replace("_", " "));
    if (state >= 0) return (i) => table.targets.some((_, j) => cell(table.state, j, i) === state);
    if (value === "nonfinite") return (i) => table.targets.some((_, j) => cell(table.over, j, i) === NONFINITE);
    const good = Object.fromEntries(COLUMNS.map((column) => [column, table[column].map((text) => text.includes(value))]));
    if (!Object.values(good).some((one) => one.includes(true))) throw new BadQuery(`no op, dtype, family, way or case has ${value} in its name`);
    return (i) => COLUMNS.some((column) => good[column][table.numbers[column][i]]);
  }

  // Two modes are compared within one framework and release; whatever else, all with all.
  function differs(words) {
    if (words.length !== 2) throw new BadQuery("differs(a, b) is of two targets, frameworks, modes or releases");
    const modes = table.targets.map((target) => target.mode), within = words.every((word) => modes.includes(word));
    const pairs = who(words[0]).flatMap((j) => who(words[1]).map((k) => [j, k])).filter(([j, k]) => {
      const [one, other] = [table.targets[j], table.targets[k]];
      return j !== k && (!within || (one.framework === other.framework && one.release === other.release && one.variant === other.variant && one.device === other.device));
    });
    return (i) => pairs.some(([j, k]) => {
      const one = cell(table.bits, j, i), other = cell(table.bits, k, i);
      return one > 0 && other > 0 && one !== other;
    });
  }

  function closer(words) {
    if (words.length !== 2) throw new BadQuery("closer(a, b) is of two targets, frameworks, modes or releases");
    const pairs = who(words[0]).flatMap((j) => who(words[1]).map((k) => [j, k]));
    return (i) => pairs.some(([j, k]) => closerOf(cell(table.over, j, i), cell(table.over, k, i)));
  }

  function since(words) {
    if (words.length !== 1) throw new BadQuery("since(release) is of one release");
    const kinds = new Map();
    table.targets.forEach((target, j) => {
      const kind = [target.framework, target.variant, target.mode, target.device].join("/");
      kinds.set(kind, [...(kinds.get(kind) ?? []), [age(target.release, words[0]) >= 0, j]]);
    });
    const several = [...kinds.values()].filter((mine) => mine.some(([later]) => later) && mine.some(([later]) => !later));
    if (!several.length) throw new BadQuery(`nothing here was asked before and since ${words[0]}`);
    return (i) => several.some((mine) => {
      const seen = mine.map(([later, j]) => [later, cell(table.state, j, i)]).filter(([, state]) => state >= REJECTED);
      const of = (which) => seen.filter(([later]) => later === which).map(([, state]) => state === VIOLATION);
      return of(true).some(Boolean) && of(false).length > 0 && !of(false).some(Boolean);
    });
  }

  const found = any();
  if (at < tokens.length) throw new BadQuery(`${tokens[at]} stands where the query ends`);
  return found;
}

/** Which of two releases is the later one: above zero for the first. */
export function age(one, other) {
  const [a, b] = [one, other].map((text) => text.split(/[.+-]/).map((part) => parseInt(part, 10) || 0));
  for (let place = 0; place < Math.max(a.length, b.length); place += 1) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0);
    if (difference) return difference;
  }
  return 0;
}
