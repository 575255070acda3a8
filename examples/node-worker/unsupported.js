/** A framework cannot be called so, whatever the numbers: what is asked is *unsupported*; the message is one line. */
export class Unsupported extends Error {}
