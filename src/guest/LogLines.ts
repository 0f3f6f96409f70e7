/** Lines out of a log that a server goes on writing: whole ones, and within what one answer may have. Pure. */
import { type LogText, maxTextBytes } from "../services/InstanceLogs.ts"

const lineFeed = 10

/** No more bytes than this are read for one answer; half of them is left for what is no UTF-8 and takes more as text. */
export const windowBytes = maxTextBytes / 2

/** The offsets in `text` behind each of its lines; the last one that has no end is none, unless it is all that there is. */
const endsOf = (text: Uint8Array): ReadonlyArray<number> => {
  const ends: Array<number> = []
  for (let at = text.indexOf(lineFeed); at >= 0; at = text.indexOf(lineFeed, at + 1)) ends.push(at + 1)
  return ends.length === 0 && text.length >= windowBytes ? [text.length] : ends
}

const decoder = new TextDecoder()

const lineOf = (text: Uint8Array, from: number, to: number) =>
  decoder.decode(text.subarray(from, text[to - 1] === lineFeed ? to - 1 : to))

/** The first lines of a window that begins at `offset`. */
export const firstLines = (text: Uint8Array, offset: number, lines: number): Omit<LogText, "rotated"> => {
  const ends = endsOf(text).slice(0, lines)
  return {
    offset,
    next: offset + (ends.at(-1) ?? 0),
    lines: ends.map((end, index) => lineOf(text, ends[index - 1] ?? 0, end))
  }
}

/** The last lines of a window that begins at `offset`, in the middle of a line where `isCut`. */
export const lastLines = (
  text: Uint8Array,
  offset: number,
  lines: number,
  isCut: boolean
): Omit<LogText, "rotated"> => {
  const ends = endsOf(text)
  const begins = [...(isCut && ends.length > 1 ? [] : [0]), ...ends.slice(0, -1)].slice(-lines)
  const from = begins[0] ?? 0
  return firstLines(text.subarray(from), offset + from, lines)
}
