/**
 * What puts right what an audit has found: by the same parts as a delete takes an instance away by, told to the log and
 * to the history. What holds data goes only where that is wanted by name.
 */
import { Duration, Effect, Result } from "effect"
import { AccessPart, type Finding, ServerPart } from "../services/Audit.ts"
import type { Compute } from "../services/Compute.ts"
import type { GuestAccess } from "../services/GuestAccess.ts"
import { History } from "../services/History.ts"
import { AccessInventory, JournalInventory } from "../services/Inventories.ts"
import type { Observations } from "../services/Observations.ts"
import type { Placements } from "../services/Placements.ts"
import type { ProvisioningStore } from "../services/Provisioning.ts"
import { Quotas } from "../services/Quotas.ts"
import { noted, StepFailure } from "./Operation.ts"
import {
  forgetObservation,
  forgetOrder,
  releaseAddress,
  removeServer,
  removeServerFrom,
  takeAccessBack
} from "./Teardown.ts"

/** How long one thing may take to be put right, and at how many instances it is worked at once. */
const fixPatience = Duration.minutes(2)
const fixed = 4

/** How much of a reason is kept, in characters. */
export const maxDetail = 500

/** What is to be put right: nothing, what holds no data, or everything. */
export type Fixes = "nothing" | "but data" | "everything"

/** What was asked for by two words. */
export const fixesOf = ({ fix, removeData }: { readonly fix: boolean; readonly removeData: boolean }): Fixes =>
  fix ? (removeData ? "everything" : "but data") : "nothing"

/** What puts a finding right: findings of one instance that have the same remedy are put right at once. */
const actionOf = ({ finding, host, resource }: Finding): string =>
  ServerPart.literals.some((part) => part === resource)
    ? `server ${host}`
    : AccessPart.literals.some((part) => part === resource)
      ? `access ${finding}`
      : resource

const restore = Effect.fnUntraced(function* ({ instance }: Finding) {
  const isThere = yield* (yield* AccessInventory)
    .restore(instance)
    .pipe(
      Effect.mapError(
        ({ detail }) => new StepFailure({ message: "The guest could not be given its login.", detail, transient: true })
      )
    )
  if (!isThere) return yield* new StepFailure({ message: "The guest has no key.", detail: "", transient: false })
})

export type Needed =
  | Compute
  | GuestAccess
  | AccessInventory
  | JournalInventory
  | Placements
  | ProvisioningStore
  | Observations
  | Quotas

const remedy = (found: Finding): Effect.Effect<void, StepFailure, Needed> => {
  const { finding, host, instance, resource } = found
  if (finding === "missing") return restore(found)
  switch (resource) {
    case "login":
    case "queue":
    case "key":
      return takeAccessBack(instance)
    case "home":
    case "process":
    case "container":
    case "server":
      return host === null ? Effect.void : removeServerFrom(instance, host)
    case "address":
      return Effect.andThen(removeServer(instance), releaseAddress(instance))
    case "provisioning":
      return forgetOrder(instance)
    case "observation":
      return forgetObservation(instance)
    case "hold":
      return Effect.flatMap(Quotas, (quotas) => quotas.release(instance))
    case "journal":
      return Effect.flatMap(JournalInventory, (journal) => journal.forget(instance))
  }
}

interface Outcome {
  readonly outcome: "done" | "failed" | "left"
  readonly detail: string | null
}

/** One remedy, told to the log, and to the history where there is one. */
const apply = Effect.fnUntraced(
  function* (found: Finding) {
    const history = yield* History
    const done = yield* Effect.result(
      remedy(found).pipe(
        // The store may be away for a moment: the others are put right all the same, and what was done is told.
        Effect.catchDefect((defect) =>
          Effect.fail(
            new StepFailure({
              message: "Something inside the service failed.",
              detail: String(defect),
              transient: true
            })
          )
        ),
        Effect.timeoutOrElse({
          duration: fixPatience,
          orElse: () =>
            Effect.fail(
              new StepFailure({
                message: `It took longer than ${Duration.format(fixPatience)}.`,
                detail: "",
                transient: true
              })
            )
        })
      )
    )
    const told = `the audit: ${found.finding} ${found.resource} (${found.place})`
    // Tenants read the history: machines are none of theirs.
    const tell = (text: string) =>
      found.state === null
        ? Effect.void
        : noted(history.report(found.instance, `the audit: ${found.finding} ${found.resource}: ${text}`))
    if (Result.isSuccess(done)) {
      yield* Effect.logInfo(`${told}: ${found.remedy}: done`)
      yield* tell("put right")
      return { outcome: "done", detail: null } satisfies Outcome as Outcome
    }
    const { detail, message } = done.failure
    yield* Effect.logError(`${told}: ${found.remedy}: failed: ${message} ${detail}`)
    yield* tell(`could not be put right: ${message}`)
    return { outcome: "failed", detail: `${message} ${detail}`.trim().slice(0, maxDetail) } satisfies Outcome as Outcome
  },
  (effect, { instance }) => Effect.annotateLogs(effect, { instance })
)

/** Puts right what has a remedy, one thing of an instance after another. */
export const fixAll = Effect.fnUntraced(function* (findings: ReadonlyArray<Finding>, fixes: Fixes) {
  const outcomes = new Map<Finding, Outcome>()
  if (fixes === "nothing") return outcomes
  const byInstance = new Map<string, Array<Finding>>()
  for (const finding of findings) {
    if (finding.remedy === null) continue
    if (finding.holdsData && fixes !== "everything") outcomes.set(finding, { outcome: "left", detail: null })
    else byInstance.set(finding.instance, [...(byInstance.get(finding.instance) ?? []), finding])
  }
  yield* Effect.forEach(
    byInstance.values(),
    Effect.fnUntraced(function* (ofOne) {
      for (const same of Map.groupBy(ofOne, actionOf).values()) {
        const [first] = same
        if (first === undefined) continue
        const outcome = yield* apply(first)
        for (const finding of same) outcomes.set(finding, outcome)
      }
    }),
    { concurrency: fixed, discard: true }
  )
  return outcomes
})
