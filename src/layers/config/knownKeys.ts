/** Keys that are no secret: printed somewhere, or made in a way that can be repeated. */
import { createHash } from "node:crypto"

/** Of this project's own documentation: 32 bytes, but everybody has them. */
export const exampleKey = "Y29mZmVyLWV4YW1wbGUta2V5LWNoYW5nZS1tZS1ub3c="

/** The same of a token. */
export const exampleToken = "EXAMPLE-TOKEN-CHANGE-ME"

/** Trove's own defaults, which installations have left as they were. */
const trovesDefaults = ["bzH6y0SGmjuoY0FNSTptrhgieGXNDX6PIhvz", "emYjgHFqfXNB1NGehAFIUeoyw4V4XwWHEaKP"]

/** All the ways in which such a text becomes 32 bytes: cut off, hashed, or as Trove does it, the MD5 in hex. */
const bytesOf = (text: string): ReadonlyArray<string> => [
  Buffer.from(text).subarray(0, 32).toString("base64"),
  Buffer.from(createHash("md5").update(text).digest("hex")).toString("base64"),
  createHash("sha256").update(text).digest("base64")
]

const known: ReadonlySet<string> = new Set([exampleKey, ...trovesDefaults, ...trovesDefaults.flatMap(bytesOf)])

/** 32 random bytes have about 30 different ones; to have fewer than this does not happen. */
const fewestDistinct = 12

/** All of them a letter, digit or sign: chance does that once in 10^13, people do it every day. */
const isWritten = (bytes: Uint8Array) => bytes.every((byte) => byte >= 0x20 && byte < 0x7f)

/** Each as far from the one before: 0, 1, 2 … */
const isSeries = (bytes: Uint8Array) => {
  const steps = bytes.subarray(1).map((byte, n) => byte - (bytes[n] ?? 0))
  return new Set(steps).size === 1
}

/** Whether this key, in base64, can be known or guessed. */
export const guessable = (key: string): boolean => {
  if (known.has(key)) return true
  const bytes = Uint8Array.from(Buffer.from(key, "base64"))
  return new Set(bytes).size < fewestDistinct || isWritten(bytes) || isSeries(bytes)
}
