/** The ids that everything is named by, the texts that can be kept, and the moments that everything is told by. */
import { Schema } from "effect"

export const InstanceId = Schema.String.check(Schema.isUUID()).pipe(Schema.brand("InstanceId"))
export type InstanceId = typeof InstanceId.Type

/** Whatever is stored or looked up: PostgreSQL takes no NUL, and its jsonb no half of a surrogate pair. */
export const Text = Schema.String.check(
  Schema.isPattern(/^[^\0\p{Cs}]*$/u, { message: "must be well-formed Unicode without NUL" })
)

export const ProjectId = Text.check(Schema.isNonEmpty(), Schema.isMaxLength(255)).pipe(Schema.brand("ProjectId"))
export type ProjectId = typeof ProjectId.Type

/** A configure brings a configuration group to the guest; an upgrade another version; a rebuild makes the server anew over its data; a takeback removes what a failed operation has left behind. */
export const OperationKind = Schema.Literals([
  "build",
  "restart",
  "configure",
  "resize",
  "stop",
  "start",
  "upgrade",
  "rebuild",
  "delete",
  "takeback"
])
export type OperationKind = typeof OperationKind.Type

/** One run of one operation, `<kind>-<uuid>`; the durable workflow that does the work bears the same id. */
export const OperationId = Schema.String.check(
  Schema.isPattern(new RegExp(`^(${OperationKind.literals.join("|")})-`))
).pipe(Schema.brand("OperationId"))
export type OperationId = typeof OperationId.Type

export const operationId = (kind: OperationKind, fresh: string): OperationId => OperationId.make(`${kind}-${fresh}`)

export const kindOf = (operation: OperationId): OperationKind =>
  OperationKind.literals.find((kind) => operation.startsWith(`${kind}-`)) ?? "delete"

/** Milliseconds since the epoch, by the service's clock. */
export const Millis = Schema.Number
export type Millis = typeof Millis.Type
