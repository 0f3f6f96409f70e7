/**
 * An audit: looks at every place, looks again a little later at what does not agree with the records, and, where that is
 * wanted, takes back what nobody owns, by the same parts as a delete does. What holds data goes only where that is
 * wanted by name; what cannot be made again is told.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Result } from "effect"
import {
  type AuditReport,
  compare,
  confirmed,
  type Found,
  type Look,
  maxFindings,
  type Sight,
  StorePart,
  type Unseen
} from "../services/Audit.ts"
import { GuestHostDirectory } from "../services/GuestHostDirectory.ts"
import type { History } from "../services/History.ts"
import { AccessInventory, AuditStore, JournalInventory, ServerInventory } from "../services/Inventories.ts"
import { type Fixes, fixAll, maxDetail, type Needed } from "./Remedies.ts"

/** How much later it is looked again before anything counts as found. */
export const ConfirmAfter = Context.Reference<Duration.Duration>("coffer/actors/ConfirmAfter", {
  defaultValue: () => Duration.seconds(10)
})

/** How long one place may take to say what it holds, and how many are asked at once. */
const lookPatience = Duration.seconds(30)
const asked = 8

export class Auditor extends Context.Service<
  Auditor,
  {
    /** Dies where the store is away. */
    readonly audit: (fixes: Fixes) => Effect.Effect<AuditReport>
  }
>()("coffer/actors/Auditor") {}

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
