/**
 * Brings who may reach an instance to its guest, which enforces and keeps it. What is wanted stands in the store, and so
 * does what has reached the guest: it may be done again, and is done where they differ.
 */
import { Duration, Effect, Option } from "effect"
import { Accesses } from "../services/Accesses.ts"
import { networksOf } from "../services/AllowedNetworks.ts"
import { findVersion, offered } from "../services/Catalog.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import type { InstanceId } from "../services/Ids.ts"
import { askGuest } from "./AskGuest.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { insist, type Operation, step } from "./Operation.ts"

/** Trove's agents keep nobody out, and are not asked to: what a record from before says of it is shown, and no more. */
const wantedOf = Effect.fnUntraced(function* (instance: InstanceId) {
  const desired = Option.getOrNull(yield* (yield* Lifecycles).desired(instance))
  const found = desired === null ? undefined : findVersion(yield* offered, desired.datastoreVersion)
  if (found?.version.agent === "trove") return []
  return networksOf(yield* (yield* Accesses).wanted(instance))
})

/** Whether its machine has to keep anybody out. */
export const isRestricted = (instance: InstanceId) => Effect.map(wantedOf(instance), (networks) => networks.length > 0)

const isSame = (one: ReadonlyArray<string>, other: ReadonlyArray<string>) => one.join() === other.join()

/** Whether the guest enforces something else than what is wanted: a restart brings that. */
export const isBehind = Effect.fnUntraced(function* (instance: InstanceId) {
  const told = yield* (yield* Accesses).told(instance)
  return !isSame(told, yield* wantedOf(instance))
})

const tell = Effect.fnUntraced(function* (instance: InstanceId) {
  const networks = yield* wantedOf(instance)
  const guest = (yield* Fabric).client(guestTopic(instance), GuestApi)
  yield* guest.update_access({ allowed_cidrs: networks })
  yield* (yield* Accesses).setTold(instance, networks)
})

/** `what` it is part of, a noun. */
const restrict = (operation: Operation, what: string) =>
  step(operation, {
    name: "restrict who reaches it",
    waitsFor: "the guest agent to enforce who may connect (allowed_cidrs)",
    deadline: Duration.minutes(1),
    retries: 4,
    execute: askGuest(operation, what, tell(operation.instance), { isHarmlessTwice: true })
  })

/** A step, where something has changed. */
export const whereItHasChanged = Effect.fnUntraced(function* (operation: Operation, what: string) {
  if (yield* insist(isBehind(operation.instance))) yield* restrict(operation, what)
})

/** A step, where not everybody may: what an earlier guest was told, a new one does not know. */
export const ofNew = Effect.fnUntraced(function* (operation: Operation) {
  const networks = yield* insist(wantedOf(operation.instance))
  if (networks.length > 0) yield* restrict(operation, "build")
})

/** A step, where not everybody may, or something has changed: whatever is enforced now may not be what the guest was told. */
export const anew = Effect.fnUntraced(function* (operation: Operation, what: string) {
  const networks = yield* insist(wantedOf(operation.instance))
  if (networks.length > 0 || (yield* insist(isBehind(operation.instance)))) yield* restrict(operation, what)
})
