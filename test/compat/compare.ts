/**
 * How an answer of ours differs from Trove's. What has to be another value (an id, a time, an address, how much is used)
 * is held to its kind; everything else to the word.
 */
import type { Schema } from "effect"

export interface Answered {
  readonly status: number
  readonly contentType: string | undefined
  /** An empty text where there is none. */
  readonly body: Schema.Json
}

export interface Difference {
  /** `answer` where the status differs; else a place in the body, as `instance.links[].href`. */
  readonly at: string
  readonly trove: string
  readonly ours: string
}

/** How a difference tells of what one of the two does not have. */
export const absent = "nothing"

/** What has to be another value with us, wherever it stands. Times without a zone and with one are two kinds. */
const kinds: ReadonlyArray<readonly [pattern: string, kind: string]> = [
  ["[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"],
  ["\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ", "<time Z>"],
  ["\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d", "<time>"],
  ["(?<![:/\\d.])\\d{1,3}(?:\\.\\d{1,3}){3}(?![\\d.])", "<address>"]
]

const byKind = (text: string) =>
  kinds.reduce((text, [pattern, kind]) => text.replaceAll(new RegExp(pattern, "g"), kind), text)

const kindOf = (text: string) => kinds.find(([pattern]) => new RegExp(`^${pattern}$`).test(text))?.[1]

/** Numbers that tell how much there is, of whatever it is. */
const measured = new Set(["used", "used_percent", "total", "remaining", "in_use", "reserved"])

const areOfOneKind = (a: string, b: string) => kindOf(a) !== undefined && kindOf(a) === kindOf(b)

export const isObject = (value: Schema.Json): value is Readonly<Record<string, Schema.Json>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isList = (value: Schema.Json): value is ReadonlyArray<Schema.Json> => Array.isArray(value)

const longest = 200

/** A value in one line, with kinds in the place of what must differ. */
const words = (key: string, value: Schema.Json | undefined): string => {
  if (value === undefined) return absent
  if (measured.has(key) && typeof value === "number") return "<number>"
  const text = byKind(typeof value === "string" ? value : JSON.stringify(value))
    .replaceAll(/\s+/g, " ")
    .trim()
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

/** What a fault says, in Trove's three shapes of it. */
const messageIn = (body: Schema.Json): string => {
  if (!isObject(body)) return ""
  const message = body["message"] ?? Object.values(body).find(isObject)?.["message"]
  return typeof message === "string" ? message : ""
}

/** The status, and of a fault its words, in one line. */
export const summary = ({ body, status }: Answered) =>
  `${status} ${status < 400 ? "" : words("message", messageIn(body))}`.trim()

/** Quotas come in no order. */
const inOrder = (items: ReadonlyArray<Schema.Json>) => {
  const resourceOf = (item: Schema.Json) => (isObject(item) ? String(item["resource"] ?? "") : "")
  return items.toSorted((a, b) => resourceOf(a).localeCompare(resourceOf(b)))
}

const compareBodies = (trove: Schema.Json, ours: Schema.Json, at = "", name = ""): ReadonlyArray<Difference> => {
  if (isObject(trove) && isObject(ours)) {
    const keys = [...new Set([...Object.keys(trove), ...Object.keys(ours)])]
    return keys.flatMap((key) => {
      const place = at === "" ? key : `${at}.${key}`
      const [left, right] = [trove[key], ours[key]]
      if (left === undefined || right === undefined)
        return [{ at: place, trove: words(key, left), ours: words(key, right) }]
      if (measured.has(key) && typeof left === "number" && typeof right === "number") return []
      return compareBodies(left, right, place, key)
    })
  }
  if (isList(trove) && isList(ours)) {
    const [left, right] = [inOrder(trove), inOrder(ours)]
    if (left.length !== right.length) return [{ at: `${at}.length`, trove: `${left.length}`, ours: `${right.length}` }]
    return left.flatMap((item, n) => compareBodies(item, right[n] ?? null, `${at}[]`))
  }
  const same = trove === ours || (typeof trove === "string" && typeof ours === "string" && areOfOneKind(trove, ours))
  return same ? [] : [{ at, trove: words(name, trove), ours: words(name, ours) }]
}

const isSame = (a: Difference, b: Difference) => a.at === b.at && a.ours === b.ours && a.trove === b.trove

/** What Trove has at the place of a difference: in the first item of a list that has it. */
const at = (body: Schema.Json | undefined, place: ReadonlyArray<string>): Schema.Json | undefined => {
  const [first, ...rest] = place
  if (first === undefined || body === undefined) return body
  const key = first.replace(/\[\]$/, "")
  const inner = isObject(body) ? body[key] : undefined
  if (key === "length" && isList(body)) return body.length
  if (key === first || inner === undefined || !isList(inner)) return at(inner, rest)
  return inner.map((item) => at(item, rest)).find((found) => found !== undefined)
}

/** The same in words, for who tells of a difference without an answer of ours. */
export const troveAt = (trove: Answered, place: string): string => {
  if (place === "answer") return summary(trove)
  const names = place.split(".")
  return words(names.at(-1) ?? "", at(trove.body, names))
}

/** Each difference once, however many items of a list have it. */
export const compare = (trove: Answered, ours: Answered): ReadonlyArray<Difference> => {
  if (trove.status !== ours.status) return [{ at: "answer", trove: summary(trove), ours: summary(ours) }]
  const type = { at: "content-type", trove: trove.contentType ?? absent, ours: ours.contentType ?? absent }
  const all = [...(type.trove === type.ours ? [] : [type]), ...compareBodies(trove.body, ours.body)]
  return all.filter((one, n) => all.findIndex((other) => isSame(one, other)) === n)
}
