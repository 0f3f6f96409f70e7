/** `--preview`: what a change would do, in place of the change. */
import { Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asked as answered } from "./client.ts"
import type { Connection } from "./connection.ts"
import { tell } from "./document.ts"

export const preview = Flag.Boolean("preview").pipe(
  Flag.withDescription("Tell what it would do, and change nothing"),
  Flag.withDefault(false)
)

const Foreseen = Schema.Struct({
  name: Schema.String,
  status_during: Schema.String,
  restart: Schema.Boolean,
  reason: Schema.String,
  expected_seconds: Schema.NullOr(Schema.Struct({ typical: Schema.Number, longest: Schema.Number })),
  based_on: Schema.Number
})
const Preview = Schema.Struct({ preview: Schema.Struct({ instances: Schema.Array(Foreseen) }) })
const Document = Schema.Record(Schema.String, Schema.Json)

const render = ({ expected_seconds, name, reason, status_during, based_on, ...told }: typeof Foreseen.Type) => {
  const took =
    expected_seconds === null
      ? "It has not done this before."
      : `It took ${expected_seconds.typical} s as a rule, and ${expected_seconds.longest} s at the longest (of ${based_on}).`
  const restart = told.restart ? ", with a restart" : ""
  return plain(`${name}: ${reason}. It would be ${status_during} meanwhile${restart}. ${took}`)
}

export const renderPreview = ({ preview: { instances } }: typeof Preview.Type): string =>
  instances.length === 0 ? "No instance would change." : instances.map(render).join("\n")

/** Asks for the preview of a change, and tells it. */
export const tellPreview = (
  connection: Connection,
  asked: { readonly json: boolean },
  method: "POST" | "PUT" | "PATCH",
  path: string,
  body: unknown
) =>
  Effect.flatMap(answered(method, connection, `${path}?preview=true`, body, Document), (document) =>
    tell(connection, asked, document, Preview, renderPreview)
  )
