/**
 * What a change would do to instances, for whoever asks before asking for it: how they show meanwhile, whether it takes a
 * restart, and how long the same has taken before. It changes nothing. Whether the change would be accepted, who offers
 * it has checked already.
 *
 * To offer it for another change: check as the change does, and give `of` what it comes to.
 */
import { Context, Effect, Layer } from "effect"
import { type Entry, History, type StepEntry } from "./History.ts"
import type { InstanceId, Millis, OperationKind } from "./Ids.ts"
import type { InstanceRecord } from "./Instances.ts"
import type { ShownState } from "./Status.ts"

/** What a change comes to for one instance. */
export interface Change {
  /** What carries it out; null where it is only written down. */
  readonly operation: OperationKind | null
  /** Whether it takes a restart of the database: one that the change makes, or one that it waits for. */
  readonly restart: boolean
  /** Which runs of the operation did the same, by their steps; all of them where it is not told. */
  readonly isAlike?: (steps: ReadonlySet<string>) => boolean
  /** In words for the tenant. */
  readonly reason: string
}

export interface Foreseen {
  readonly id: InstanceId
  readonly name: string
  /** How it shows while the change is carried out. */
  readonly during: ShownState
  readonly restart: boolean
  readonly reason: string
  /** In milliseconds; null where it has never done the same. */
  readonly expected: { readonly typical: number; readonly longest: number } | null
  /** Of how many runs that is known. */
  readonly basedOn: number
}

/** How an instance shows while an operation runs. */
const duringOf: Record<OperationKind, ShownState> = {
  build: "Building",
  restart: "Restarting",
  configure: "Configuring",
  upgrade: "Upgrading",
  resize: "Resizing",
  stop: "Stopping",
  start: "Starting",
  rebuild: "Rebuilding",
  delete: "Deleting",
  takeback: "Failed"
}

/** The step with which an operation has come to its end as it was asked for: it tells the actor so. */
const lastStep = "report"

/**
 * How long each run took that ended as it was asked for, in milliseconds, in no order. One that was taken back ends otherwise; one
 * that has lost its beginning to the history's bound is not known to have begun: before each stands what began it.
 */
const runsOf = (
  kind: OperationKind,
  isAlike: NonNullable<Change["isAlike"]>,
  entries: ReadonlyArray<Entry>
): ReadonlyArray<Millis> => {
  const began = entries.findIndex((entry) => entry.kind === "transition")
  if (began < 0) return []
  const known = entries.slice(began)
  const steps = known.filter((entry) => entry.kind === "step").filter(({ operationName }) => operationName === kind)
  const runs = Map.groupBy(steps, ({ operation }) => operation)
  return [...runs.values()].flatMap((steps: ReadonlyArray<StepEntry>) => {
    const end = steps.find(({ outcome, step }) => step === lastStep && outcome === "done")?.endedAt
    if (end == null || !isAlike(new Set(steps.map(({ step }) => step)))) return []
    return [end - Math.min(...steps.map(({ startedAt }) => startedAt))]
  })
}

/** The one in the middle, of which there are as many below as above. */
const median = (sorted: ReadonlyArray<number>) => sorted[Math.floor((sorted.length - 1) / 2)] ?? 0

export class Previews extends Context.Service<
  Previews,
  {
    readonly of: (instance: InstanceRecord, change: Change) => Effect.Effect<Foreseen>
  }
>()("coffer/services/Previews") {
  static readonly layer = Layer.effect(
    Previews,
    Effect.gen(function* () {
      const history = yield* History
      return {
        of: Effect.fnUntraced(function* ({ desired, state }, { isAlike = () => true, operation, reason, restart }) {
          const runs = operation === null ? [] : runsOf(operation, isAlike, yield* history.list(desired.id))
          const sorted = runs.toSorted((a, b) => a - b)
          const longest = sorted.at(-1)
          const foreseen: Foreseen = {
            id: desired.id,
            name: desired.name,
            during: operation === null ? state : duringOf[operation],
            restart,
            reason,
            expected: longest === undefined ? null : { typical: median(sorted), longest },
            basedOn: sorted.length
          }
          return foreseen
        })
      }
    })
  )
}
