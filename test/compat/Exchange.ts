/** What was recorded of a real Trove 18: one exchange a file, in the order in which they were made. */
import { readdirSync, readFileSync } from "node:fs"
import { Schema } from "effect"
import type { Answered } from "./compare.ts"

const Exchange = Schema.Struct({
  request: Schema.Struct({
    method: Schema.String,
    path: Schema.String,
    headers: Schema.Record(Schema.String, Schema.String),
    body: Schema.Json,
    /** Sent as it is, in place of the body. */
    raw: Schema.optionalKey(Schema.String)
  }),
  response: Schema.Struct({
    status: Schema.Int,
    headers: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
    /** An empty text where there is none. */
    body: Schema.Json
  })
})
export type Exchange = typeof Exchange.Type

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Exchange))

const folder = new URL("../fixtures/rest/", import.meta.url)

const read = (file: string) => decode(readFileSync(new URL(file, folder), "utf8"))

/** By name, as `029-instance-create`. */
export const exchanges: ReadonlyMap<string, Exchange> = new Map(
  readdirSync(folder)
    .toSorted()
    .map((file) => [file.replace(/\.json$/, ""), read(file)])
)

/** The name of the exchange with a number, and itself. */
export const exchange = (number: string): readonly [name: string, exchange: Exchange] => {
  const found = [...exchanges].find(([name]) => name.startsWith(`${number}-`))
  if (found === undefined) throw new Error(`no recorded exchange ${number}`)
  return found
}

/** What Trove answered. */
export const answered = ({ response }: Exchange): Answered => ({
  status: response.status,
  contentType: response.headers.find(([name]) => name.toLowerCase() === "content-type")?.[1],
  body: response.body
})

/** The tenant's project that was recorded, and the administrator's. */
export const tenant = "aa4a814f964a4470bf8d456d9e67a352"
export const administrator = "98d0c66c798847bab52a7fb09e2ce118"
