/**
 * What must be true of every answer of the api: its status is one that the api documents for the request, its body is
 * what it documents for that status, and nothing in it is another tenant's, or a secret.
 */
import { Option, Schema } from "effect"
import { Audit } from "../../src/http/audit/AuditApi.ts"
import { HistoryEntry, WaitsFor } from "../../src/http/instances/HistoryApi.ts"
import { DetailView, ListView } from "../../src/http/instances/InstanceViews.ts"
import { ManagedView } from "../../src/http/mgmt/InstancesMgmtViews.ts"
import { OperationView } from "../../src/http/operations/OperationsApi.ts"
import type { Answer } from "./Api.ts"
import type { Ask } from "./Requests.ts"
import type { Known } from "./Witness.ts"

const readable = <A>(schema: Schema.Decoder<A>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (body: unknown) => Option.isSome(decode(body))
}

/** Whether the body of an answer that went well is as documented, by what was asked. */
export const bodies = {
  one: readable(Schema.Struct({ instance: DetailView })),
  list: readable(Schema.Struct({ instances: Schema.Array(ListView) })),
  details: readable(Schema.Struct({ instances: Schema.Array(DetailView) })),
  managed: readable(Schema.Struct({ instances: Schema.Array(ManagedView) })),
  history: readable(
    Schema.Struct({
      history: Schema.Struct({
        instance_id: Schema.String,
        waits_for: Schema.NullOr(WaitsFor),
        entries: Schema.Array(HistoryEntry)
      })
    })
  ),
  operations: readable(Schema.Struct({ operations: Schema.Array(OperationView) })),
  operation: readable(
    Schema.Struct({ operation: Schema.Struct({ ...OperationView.fields, steps: Schema.Array(HistoryEntry) }) })
  ),
  audit: readable(Audit)
}

const Inner = Schema.Struct({ code: Schema.Int, message: Schema.String })
/** Trove's faults, by name; and what its middleware sends in another shape. */
const isFault = Schema.is(
  Schema.Union([
    Schema.Record(Schema.String, Inner).check(Schema.isMinProperties(1), Schema.isMaxProperties(1)),
    Schema.Struct({ message: Schema.String, code: Schema.String, title: Schema.String })
  ])
)
/** The one fault of ours: it says by what id the operator finds its cause. */
const isClear = Schema.is(
  Schema.Struct({
    instanceFault: Schema.Struct({
      code: Schema.Literal(500),
      message: Schema.String.check(Schema.isPattern(/\(req-|^No taskmanager has answered/))
    })
  })
)
const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const flawOf = (ask: Ask, { headers, status, struck, text }: Answer): string | null => {
  const body = Option.getOrUndefined(parse(text))
  if (!headers["x-openstack-request-id"]?.startsWith("req-")) return "it has no id"
  // Whoever asks too often is told when to ask again.
  if (status === 413 && headers["retry-after"] !== undefined) return null
  const isOurs = status === 500 && struck
  if (!isOurs && !ask.may.includes(status)) return `only ${ask.may.join(", ")} is documented for it`
  if (status === 500) return isClear(body) ? null : "it does not say what went wrong"
  if (status >= 400) return isFault(body) ? null : "its fault has no known shape"
  if (status === 202) return text === "" ? null : "it has a body"
  return ask.body200 === null || bodies[ask.body200](body) ? null : "its body is not as documented"
}

/** What is in an answer that only others may see, in words. */
const leakOf = (ask: Ask, { text }: Answer, all: ReadonlyArray<Known>): string | null => {
  for (const secret of ask.secrets) if (text.includes(secret)) return "a password"
  if (ask.tenant === null) return null
  for (const { desired } of all) {
    if (desired.project === ask.tenant) continue
    if (text.includes(desired.id) && !ask.path.includes(desired.id)) return `the id of ${desired.project}'s instance`
    if (text.includes(desired.name)) return `the name of ${desired.project}'s instance`
  }
  return null
}

/** What is wrong with an answer, in words; null where nothing is. */
export const wrongWith = (ask: Ask, answer: Answer, all: ReadonlyArray<Known>): string | null => {
  const what = `${ask.what} was answered ${answer.status}`
  const flaw = flawOf(ask, answer)
  if (flaw !== null) return `${what}, and ${flaw}: ${answer.text.slice(0, 300)}`
  const leak = leakOf(ask, answer, all)
  return leak === null ? null : `${what}, and shows ${leak}`
}
