/**
 * An audit: looks at every place, looks again a little later at what does not agree with the records, and, where that is
 * wanted, takes back what nobody owns, by the same parts as a delete does. What holds data goes only where that is
 * wanted by name; what cannot be made again is told.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Result } from "effect"
import {
  AccessPart,
  type AuditReport,
  compare,
  confirmed,
  type Finding,
  type Found,
  type Look,
  maxFindings,
  ServerPart,
  type Sight,
  StorePart,
  type Unseen
} from "../services/Audit.ts"
import type { Compute } from "../services/Compute.ts"
import type { GuestAccess } from "../services/GuestAccess.ts"
import { GuestHostDirectory } from "../services/GuestHostDirectory.ts"
import { History } from "../services/History.ts"
import { AccessInventory, AuditStore, JournalInventory, ServerInventory } from "../services/Inventories.ts"
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

/** How much later it is looked again before anything counts as found. */
export const ConfirmAfter = Context.Reference<Duration.Duration>("coffer/actors/ConfirmAfter", {
  defaultValue: () => Duration.seconds(10)
})

/** How long one place may take to say what it holds, and how many are asked at once. */
const lookPatience = Duration.seconds(30)
const asked = 8

/** How long one thing may take to be put right, and at how many instances it is worked at once. */
const fixPatience = Duration.minutes(2)
const fixed = 4

/** How much of a reason is kept, in characters. */
const maxDetail = 500

/** What is to be put right: nothing, what holds no data, or everything. */
export type Fixes = "nothing" | "but data" | "everything"

/** What was asked for by two words. */
export const fixesOf = ({ fix, removeData }: { readonly fix: boolean; readonly removeData: boolean }): Fixes =>
  fix ? (removeData ? "everything" : "but data") : "nothing"

export class Auditor extends Context.Service<
  Auditor,
  {
    /** Dies where the store is away. */
    readonly audit: (fixes: Fixes) => Effect.Effect<AuditReport>
  }
>()("coffer/actors/Auditor") {}

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

type Needed =
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
const fixAll = Effect.fnUntraced(function* (findings: ReadonlyArray<Finding>, fixes: Fixes) {
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

const make = Effect.fnUntraced(function* (standing: ReadonlyArray<string>) {
  const context = yield* Effect.context<Needed | History>()
  const servers = yield* ServerInventory
  const access = yield* AccessInventory
  const store = yield* AuditStore
  const journal = yield* JournalInventory
  const directory = yield* GuestHostDirectory
  const confirmAfter = yield* ConfirmAfter

  type Seen = Result.Result<Look, Unseen>
  const within = <E extends { readonly message: string; readonly detail: string }>(
    place: string,
    look: Effect.Effect<Look, E>
  ): Effect.Effect<Seen> =>
    look.pipe(
      Effect.mapError(({ detail, message }) => ({ place, reason: `${message} ${detail}`.trim().slice(0, maxDetail) })),
      Effect.timeoutOrElse({
        duration: lookPatience,
        orElse: () => Effect.fail({ place, reason: `It did not answer within ${Duration.format(lookPatience)}.` })
      }),
      Effect.result
    )

  const lookAtHost = (host: string) => {
    const place = `host ${host}`
    return within(
      place,
      Effect.map(servers.of(host), ({ covers, servers }) => ({
        place,
        host,
        covers,
        found: servers.flatMap(({ instance, parts, since }) =>
          parts.map((resource): Found => ({ resource, instance, since }))
        )
      }))
    )
  }

  const lookAtBroker = within(
    "the broker",
    access.all.pipe(
      Effect.mapError(({ detail }) => ({ message: "", detail })),
      Effect.map((held) => ({ place: "the broker", host: null, ...held }))
    )
  )

  const hosts = Effect.gen(function* () {
    const known = yield* directory.known
    // Who is no more known may still be lived on.
    const inhabited = (yield* store.all).flatMap(({ record: { host } }) => (host === null ? [] : [host]))
    return [...new Set([...standing, ...known.map(({ name }) => name), ...inhabited])].toSorted()
  })

  /** The places first: who has made something by then has a record by the time that these are read. */
  const look = Effect.gen(function* () {
    const at = yield* Clock.currentTimeMillis
    const seen = yield* Effect.forEach([...(yield* hosts).map(lookAtHost), lookAtBroker], (look) => look, {
      concurrency: asked
    })
    const open = yield* journal.open
    const audited = yield* store.all
    const held = audited.flatMap(({ held }) => held)
    const stored: Look = { place: "the store", host: null, covers: StorePart.literals, found: held }
    return {
      at,
      looks: [
        ...seen.flatMap((one) => Option.toArray(Result.getSuccess(one))),
        { place: "the journal", host: null, ...open },
        stored
      ],
      unseen: seen.flatMap((one) => Option.toArray(Result.getFailure(one))),
      records: new Map(audited.map(({ record }) => [record.instance, record]))
    } satisfies Sight as Sight
  })

  return Auditor.of({
    audit: Effect.fn("Auditor.audit")(function* (fixes) {
      const first = yield* look
      const suspects = compare(first)
      const last = suspects.length === 0 ? first : yield* Effect.delay(look, confirmAfter)
      const all = last === first ? [] : confirmed(suspects, compare(last))
      const findings = all.slice(0, maxFindings)
      const outcomes = yield* Effect.provideContext(fixAll(findings, fixes), context)
      return {
        at: first.at,
        looked: last.looks.filter(({ covers }) => covers.length > 0).map(({ place }) => place),
        unseen: last.unseen,
        findings: findings.map((finding) => ({
          ...finding,
          ...(outcomes.get(finding) ?? { outcome: null, detail: null })
        })),
        total: all.length
      }
    })
  })
})

/** `standing`: the guest hosts that do not report. */
export const layer = (standing: ReadonlyArray<string>) => Layer.effect(Auditor, make(standing))
