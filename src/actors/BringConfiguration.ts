/**
 * Brings the configuration group of an instance to its guest: live, or with a restart. What the instance is to have
 * stands in the store, and so does what has reached it; so all of it may be done again.
 *
 * A group with which the server does not run is taken back: what it ran with before is put back, and the group is not
 * tried again before it has changed.
 */
import { Effect, Option } from "effect"
import { findVersion, offered } from "../services/Catalog.ts"
import { type Applied, Configurations, type Refused } from "../services/configuration/Configurations.ts"
import { changed, type Parameter, type Values } from "../services/configuration/Parameter.ts"
import { needRestart, parametersOf } from "../services/configuration/Parameters.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import { History } from "../services/History.ts"
import type { InstanceId } from "../services/Ids.ts"
import { Lifecycles } from "./Lifecycles.ts"

interface Plan {
  readonly wanted: Values
  readonly applied: Applied
  /** Which group it is of; null where there is none. */
  readonly group: { readonly id: string; readonly name: string; readonly revision: number } | null
  readonly parameters: ReadonlyArray<Parameter>
  readonly isTroves: boolean
}

const planOf = Effect.fnUntraced(function* (instance: InstanceId) {
  const configurations = yield* Configurations
  const catalog = yield* offered
  const group = Option.getOrNull(yield* configurations.attachedTo(instance))
  const applied = yield* configurations.applied(instance)
  const desired = yield* (yield* Lifecycles).desired(instance)
  const found = Option.map(desired, ({ datastoreVersion }) => findVersion(catalog, datastoreVersion))
  const version = Option.getOrUndefined(found)?.version
  const { refused } = applied
  const isRefused = group !== null && refused?.configuration === group.id && refused.revision === group.revision
  const plan: Plan = {
    wanted: isRefused ? applied.running : (group?.values ?? {}),
    applied,
    group,
    parameters: version === undefined ? [] : parametersOf(version),
    isTroves: version?.agent === "trove"
  }
  return plan
})

const guestOf = (instance: InstanceId) => Effect.map(Fabric, (fabric) => fabric.client(guestTopic(instance), GuestApi))

/** The guest starts its server with these values from now on, and with none beside. */
const tell = Effect.fnUntraced(function* (instance: InstanceId, { applied, isTroves }: Plan, wanted: Values) {
  const guest = yield* guestOf(instance)
  const isLess = changed(applied.told, wanted).some((name) => !(name in wanted))
  // Trove's agents add to what they were told before.
  if (isTroves && isLess) yield* guest.update_overrides({ overrides: {}, remove: true })
  yield* guest.update_overrides({ overrides: wanted, remove: Object.keys(wanted).length === 0 })
  yield* (yield* Configurations).setApplied(instance, { ...applied, told: wanted })
})

/** What the server is to take at once: of what it is not told any more, the value that it had without it. */
const liveValues = (parameters: ReadonlyArray<Parameter>, from: Values, to: Values): Values =>
  Object.fromEntries(
    changed(from, to).flatMap((name) => {
      const value = to[name] ?? parameters.find((parameter) => parameter.name === name)?.default
      return value === undefined ? [] : [[name, value]]
    })
  )

/** What a server runs with that came up with `from` and has taken of `to` what needs no restart. */
const withWaiting = (parameters: ReadonlyArray<Parameter>, from: Values, to: Values): Values => {
  const waiting = needRestart(parameters, changed(from, to))
  const of = (values: Values, isWaiting: boolean) =>
    Object.entries(values).filter(([name]) => waiting.includes(name) === isWaiting)
  return Object.fromEntries([...of(to, false), ...of(from, true)])
}

const refusedBy = ({ group }: Plan, reason: string): Refused | null =>
  group === null ? null : { configuration: group.id, revision: group.revision, reason }

const note = (instance: InstanceId, plan: Plan, reason: string) => {
  const line = `the configuration group ${plan.group?.name ?? ""} was taken back: ${reason}`
  return Effect.flatMap(History, (history) => history.report(instance, line))
}

/** The guest has put back what the server ran with before. */
const noteTakenBack = Effect.fnUntraced(function* (instance: InstanceId, plan: Plan, reason: string) {
  const { running } = plan.applied
  yield* (yield* Configurations).setApplied(instance, { told: running, running, refused: refusedBy(plan, reason) })
  yield* note(instance, plan, reason)
})

/** The file that the server starts with holds what is wanted. */
export const write = Effect.fnUntraced(function* (instance: InstanceId) {
  const plan = yield* planOf(instance)
  yield* tell(instance, plan, plan.wanted)
})

/**
 * The server runs with what is wanted, where that needs no restart. A value that it refuses is taken back, and the
 * refusal is the failure.
 */
export const applyLive = Effect.fnUntraced(function* (instance: InstanceId) {
  const plan = yield* planOf(instance)
  const { applied, parameters } = plan
  // What the guest was told, for what is wanted may have changed since: that is for the next time.
  const { running, told } = applied
  const names = changed(running, told)
  if (needRestart(parameters, names).length > 0) return
  const guest = yield* guestOf(instance)
  // Also where nothing has changed as far as is known here: a server that has crashed came up with what it was told then.
  const answer =
    plan.isTroves && names.length === 0
      ? undefined
      : yield* guest.apply_overrides({ overrides: liveValues(parameters, running, told) }).pipe(
          Effect.tapErrorTag("GuestRefusal", ({ message }) =>
            Effect.gen(function* () {
              const isMeant = changed(told, plan.wanted).length === 0
              yield* tell(instance, plan, running)
              yield* Effect.ignore(guest.apply_overrides({ overrides: liveValues(parameters, told, running) }))
              if (isMeant) yield* noteTakenBack(instance, plan, message)
            })
          )
        )
  const runs = answer === undefined ? told : withWaiting(parameters, answer.came_up_with, told)
  yield* (yield* Configurations).setApplied(instance, { ...applied, running: runs })
})

/** Whether the server waits for a restart to run with what its guest was told. */
export const isRestartRequired = Effect.fnUntraced(function* (instance: InstanceId) {
  const { applied, parameters } = yield* planOf(instance)
  return needRestart(parameters, changed(applied.running, applied.told)).length > 0
})

/** Whether the server runs with anything else than what is wanted. */
export const isBehind = Effect.fnUntraced(function* (instance: InstanceId) {
  const { applied, wanted } = yield* planOf(instance)
  return changed(applied.running, wanted).length > 0
})

type Guest = Effect.Success<ReturnType<typeof guestOf>>

/** Stops the server and starts it again, with what is wanted; `asked`: in what way. */
export const restart = Effect.fnUntraced(function* (
  instance: InstanceId,
  asked: (guest: Guest) => ReturnType<Guest["restart"]> = (guest) => guest.restart({})
) {
  const plan = yield* planOf(instance)
  const { applied, wanted } = plan
  const guest = yield* guestOf(instance)
  const isConfigured =
    plan.group !== null || changed(applied.told, {}).length > 0 || changed(applied.running, {}).length > 0
  if (!isConfigured) return yield* Effect.asVoid(asked(guest))
  yield* tell(instance, plan, wanted)
  const isNew = changed(applied.running, wanted).length > 0
  const answer = yield* asked(guest).pipe(
    Effect.catchTag("GuestRefusal", (refusal) =>
      isNew && plan.isTroves
        ? // Ours take back by themselves.
          tell(instance, plan, applied.running).pipe(
            Effect.andThen(asked(guest)),
            Effect.mapError(() => refusal),
            Effect.as({ taken_back: refusal.message })
          )
        : Effect.fail(refusal)
    )
  )
  if (answer?.taken_back !== undefined) return yield* noteTakenBack(instance, plan, answer.taken_back)
  yield* (yield* Configurations).setApplied(instance, { ...applied, told: wanted, running: wanted })
})
