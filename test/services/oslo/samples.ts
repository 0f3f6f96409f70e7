/** Messages and declarations of oslo.messaging itself, as they were seen on the wire. */
import { readdirSync, readFileSync } from "node:fs"
import { Schema } from "effect"

const Fields = Schema.Record(Schema.String, Schema.Unknown)

const Message = Schema.Struct({
  /** `basic.publish`, or `basic.deliver` of the same message. */
  method: Schema.String,
  routing_key: Schema.String,
  mandatory: Schema.optionalKey(Schema.Boolean),
  properties: Fields,
  body: Schema.String
})
export type Message = typeof Message.Type

const Declare = Schema.StructWithRest(Schema.Struct({ conn: Schema.Number, method: Schema.String }), [Fields])
export type Declare = typeof Declare.Type

const Sample = Schema.Struct({ declares: Schema.Array(Declare), messages: Schema.Array(Message) })
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Sample))

const folder = new URL("../../fixtures/wire/", import.meta.url)

export const sample = (name: string) => decode(readFileSync(new URL(`${name}.json`, folder), "utf8"))

/** Every recorded message that was published, with the file it is from. */
export const published = readdirSync(folder)
  .filter((file) => !file.startsWith("crypto"))
  .flatMap((file) =>
    sample(file.replace(".json", ""))
      .messages.filter(({ method }) => method === "basic.publish")
      .map((message, n) => ({ name: `${file} ${n}`, ...message }))
  )

const Envelope = Schema.fromJsonString(
  Schema.Struct({ "oslo.version": Schema.Literal("2.0"), "oslo.message": Schema.fromJsonString(Fields) })
)
const decodeEnvelope = Schema.decodeUnknownSync(Envelope, { onExcessProperty: "error" })

/** What is inside, in the order in which it stands there. */
export const inner = (body: string | Buffer): Readonly<Record<string, unknown>> =>
  decodeEnvelope(body.toString())["oslo.message"]

export const isReply = ({ body }: Message) => "ending" in inner(body)
