/** The answers of the API as the commands read them: no more of each than they show. */
import { Schema } from "effect"

export const Listed = Schema.Struct({
  instances: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String })),
  links: Schema.optionalKey(Schema.Array(Schema.Struct({ rel: Schema.String, href: Schema.URLFromString })))
})

export const Shown = Schema.Struct({
  instance: Schema.Struct({
    id: Schema.String,
    name: Schema.String,
    status: Schema.String,
    operating_status: Schema.String,
    datastore: Schema.Struct({ type: Schema.String, version: Schema.String }),
    ip: Schema.optionalKey(Schema.Array(Schema.String)),
    fault: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
  })
})
export type Instance = (typeof Shown.Type)["instance"]

const Entry = Schema.Struct({
  kind: Schema.Literals(["transition", "step", "report"]),
  at: Schema.optionalKey(Schema.String),
  started_at: Schema.optionalKey(Schema.String),
  ended_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  from: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String),
  because: Schema.optionalKey(Schema.String),
  operation: Schema.optionalKey(Schema.String),
  step: Schema.optionalKey(Schema.String),
  attempt: Schema.optionalKey(Schema.Int),
  outcome: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.NullOr(Schema.String)),
  waits_for: Schema.optionalKey(Schema.NullOr(Schema.String)),
  deadline: Schema.optionalKey(Schema.NullOr(Schema.String)),
  text: Schema.optionalKey(Schema.String)
})
export type Entry = typeof Entry.Type

export const History = Schema.Struct({ history: Schema.Struct({ entries: Schema.Array(Entry) }) })
