/** The answers of the API as the commands read them: no more of each than they show. */
import { Schema } from "effect"

const Summary = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  status: Schema.String,
  operating_status: Schema.String,
  datastore: Schema.Struct({ type: Schema.String, version: Schema.String }),
  ip: Schema.optionalKey(Schema.Array(Schema.String))
})

/** A page of a list, each instance as it came and as it is read. */
export const ListedInstance = Summary
export const Listed = Schema.Struct({
  instances: Schema.Array(Schema.Json),
  links: Schema.optionalKey(Schema.Array(Schema.Struct({ rel: Schema.String, href: Schema.URLFromString })))
})

export const Instance = Schema.Struct({
  ...Summary.fields,
  fault: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
})
export type Instance = typeof Instance.Type

export const Shown = Schema.Struct({ instance: Instance })

/** An instance with everything that the API tells of it, for other programs to read. */
export const Whole = Schema.Struct({ instance: Schema.Json })

const Entry = Schema.Struct({
  kind: Schema.Literals(["transition", "step", "report"]),
  at: Schema.optionalKey(Schema.String),
  started_at: Schema.optionalKey(Schema.String),
  ended_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  from: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String),
  because: Schema.optionalKey(Schema.String),
  operation: Schema.optionalKey(Schema.String),
  operation_id: Schema.optionalKey(Schema.String),
  step: Schema.optionalKey(Schema.String),
  attempt: Schema.optionalKey(Schema.Int),
  begun: Schema.optionalKey(Schema.Int),
  outcome: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.NullOr(Schema.String)),
  waits_for: Schema.optionalKey(Schema.NullOr(Schema.String)),
  deadline: Schema.optionalKey(Schema.NullOr(Schema.String)),
  text: Schema.optionalKey(Schema.String)
})
export type Entry = typeof Entry.Type

export const History = Schema.Struct({ history: Schema.Struct({ entries: Schema.Array(Entry) }) })

const Wait = Schema.Struct({
  operation: Schema.NullOr(Schema.String),
  what: Schema.String,
  step: Schema.NullOr(Schema.String),
  attempt: Schema.NullOr(Schema.Int),
  since: Schema.String,
  deadline: Schema.NullOr(Schema.String)
})

const OperationRow = Schema.Struct({
  instance_id: Schema.String,
  instance_name: Schema.String,
  project_id: Schema.String,
  status: Schema.NullOr(Schema.String),
  standing: Schema.String,
  operation: Schema.NullOr(Schema.String),
  operation_id: Schema.NullOr(Schema.String),
  since: Schema.String,
  deadline: Schema.NullOr(Schema.String),
  waits_for: Schema.NullOr(Wait),
  error: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String)
})
export type OperationRow = typeof OperationRow.Type

const OperationStory = Schema.Struct({
  ...OperationRow.fields,
  steps: Schema.Array(Entry),
  set_aside: Schema.Array(
    Schema.Struct({ key: Schema.String, posted: Schema.String, set_aside: Schema.String, reason: Schema.String })
  )
})
export type OperationStory = typeof OperationStory.Type

export const Operations = Schema.Struct({ operations: Schema.Array(OperationRow) })
export const ShownOperation = Schema.Struct({ operation: OperationStory })

export const Flavors = Schema.Struct({
  flavors: Schema.Array(Schema.Struct({ name: Schema.String, str_id: Schema.String }))
})
