/** What an audit reads of the store in memory: the part of MemoryStore that is the twin of PgAuditStore. */
import { Effect } from "effect"
import type { State } from "../../actors/Instance.ts"
import { isMoving, operationsOf } from "../../actors/Work.ts"
import type { Found, StorePart } from "../../services/Audit.ts"
import { type Entry, leftBehind } from "../../services/History.ts"
import type { InstanceId, Millis } from "../../services/Ids.ts"
import { type Audited, AuditStore } from "../../services/Inventories.ts"
import { stateNamed } from "../../services/Status.ts"

/** All that an audit asks of one instance. */
export interface AuditedRows {
  readonly instance: InstanceId
  readonly state: State
  readonly since: Millis
  readonly deleteRequested: boolean
  readonly hasMail: boolean
  readonly history: ReadonlyArray<Entry>
  readonly host: string | null
  readonly provisioning: boolean
  /** When its guest was last heard; null where nothing is kept of it. */
  readonly observed: Millis | null
  readonly hold: boolean
}

const heldBy = ({ hold, host, instance, observed, provisioning }: AuditedRows): ReadonlyArray<Found> => {
  const one = (resource: StorePart, since: Millis | null = null): Found => ({ resource, instance, since })
  return [
    ...(host === null ? [] : [one("address")]),
    ...(provisioning ? [one("provisioning")] : []),
    ...(observed === null ? [] : [one("observation", observed)]),
    ...(hold ? [one("hold")] : [])
  ]
}

const toAudited = (rows: AuditedRows): Audited => {
  const { deleteRequested, hasMail, history, host, instance, since, state } = rows
  return {
    record: {
      instance,
      state: stateNamed(state._tag),
      since,
      isMoving: hasMail || (stateNamed(state._tag) !== "Unknown" && isMoving(state)),
      deleteRequested,
      leftBehind:
        state._tag === "Failed" &&
        (state.again !== "build" ||
          history.some((entry) => entry.kind === "report" && entry.text.startsWith(leftBehind))),
      host,
      operations: operationsOf(state)
    },
    held: heldBy(rows)
  }
}

export const makeMemoryAuditStore = (all: () => ReadonlyArray<AuditedRows>): AuditStore["Service"] =>
  AuditStore.of({ all: Effect.sync(() => all().map(toAudited)) })
