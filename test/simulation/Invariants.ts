/**
 * What must be true of a world: at every moment, when it has come to rest, and when everything was deleted. Each answers
 * what is wrong, in words.
 */
import { Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { deadlineOf, resizeOf } from "../../src/actors/Work.ts"
import { networksOf } from "../../src/services/AllowedNetworks.ts"
import { findVersion } from "../../src/services/Catalog.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { changed } from "../../src/services/configuration/Parameter.ts"
import { History } from "../../src/services/History.ts"
import { Instances, type Resource } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { Placements } from "../../src/services/Placements.ts"
import { ProvisioningStore } from "../../src/services/Provisioning.ts"
import { amountOf, Quotas, resources } from "../../src/services/Quotas.ts"
import { moreOf } from "../../src/services/Resizes.ts"
import { heartbeatExpiry, operatingStatusOf } from "../../src/services/Status.ts"
import { catalog } from "../kit/ControlPlane.ts"
import { ordered, tenants } from "./Clients.ts"
import { EngineTables } from "./EngineTables.ts"
import type { Machine } from "./Machines.ts"
import { longestFreeze } from "./Taskmanagers.ts"
import type { Universe } from "./Universe.ts"
import { type Known, shortOf } from "./Witness.ts"

/**
 * Milliseconds for which a database may be shown healthy that is not there: until its silence is noticed. A beat may
 * have been on its way for as long as a message is late, and in the hands of a conductor that stood still.
 */
const unnoticed = heartbeatExpiry + longestFreeze + 10_000

const isAtRest = ({ state }: Known) =>
  deadlineOf(state) === null && state._tag !== "New" && !(state._tag === "Failed" && state.previous !== null)

const lastWord = "what its guest was seen to be"

export const make = (universe: Universe, machines: ReadonlyArray<Machine>) => {
  const { time, witness } = universe
  const all = () => [...witness.instances.values()]
  const serverOf = (id: string) => machines.map(({ databases }) => databases.servers.get(id)).find((server) => server)
  /** Since when a database is shown healthy and is not there. */
  const falsely = new Map<string, number>()

  /** What resizes that were accepted and have not ended hold beyond what their instances are. */
  const resizing = Effect.fnUntraced(function* (held: ReadonlyArray<Known>) {
    const more: Partial<Record<Resource, number>> = {}
    for (const { desired, state } of held) {
      const loaded = Option.getOrNull(yield* Effect.orElseSucceed((yield* Lifecycles).load(desired.id), Option.none))
      const asked = loaded?.mail.flatMap(({ command }) => (command._tag === "Resize" ? [command.to] : [])) ?? []
      const target = resizeOf(state) ?? asked[0]
      if (target === undefined) continue
      const { ram, volumes } = moreOf(desired, target)
      more.ram = (more.ram ?? 0) + ram
      more.volumes = (more.volumes ?? 0) + volumes
    }
    return more
  })

  const quotas = Effect.gen(function* () {
    for (const tenant of tenants) {
      const held = all().filter(({ desired, letGo }) => desired.project === tenant && !letGo)
      const more = yield* resizing(held)
      for (const { inUse, limit, reserved, resource } of yield* (yield* Quotas).usage(tenant)) {
        const lives = held.reduce((sum, { desired }) => sum + amountOf(desired)[resource], 0) + (more[resource] ?? 0)
        if (inUse + reserved !== lives)
          witness.wrong(`${tenant} holds ${inUse + reserved} of ${resource}, and ${lives} live`)
        if (limit >= 0 && inUse + reserved > limit) witness.wrong(`${tenant} holds more ${resource} than it may`)
      }
    }
  })

  const health = Effect.gen(function* () {
    for (const { desired, state } of all()) {
      const record = Option.getOrNull(yield* (yield* Instances).get("any", desired.id))
      const shown = record === null ? "" : operatingStatusOf(record.state, record.observed, time.now)
      if (shown !== "HEALTHY" || serverOf(desired.id)?.running === true) {
        falsely.delete(desired.id)
        continue
      }
      const since = falsely.get(desired.id) ?? time.now
      falsely.set(desired.id, since)
      if (time.now - since > unnoticed)
        witness.wrong(`${shortOf(desired.id)} is ${state._tag} and shown HEALTHY, and has had no database for long`)
    }
  })

  const wakeUps = Effect.gen(function* () {
    const lifecycles = yield* Lifecycles
    const now = time.now
    const found = new Set([
      ...(yield* lifecycles.underWay(1000)),
      ...(yield* lifecycles.overdue({ mailBefore: now, now, limit: 1000 }))
    ])
    for (const known of all()) {
      if (isAtRest(known) || found.has(known.desired.id)) continue
      const loaded = Option.getOrNull(yield* lifecycles.load(known.desired.id))
      // Posted in this very millisecond, it is found by the next look.
      if (loaded !== null && loaded.mail.length > 0) continue
      witness.wrong(`${shortOf(known.desired.id)} is ${known.state._tag}, and no sweep would find it`)
    }
  })

  const single = Effect.sync(() => {
    for (const { desired, letGo, operations, state } of all()) {
      // Of one that goes, a part may be left, with an agent that finds no database there.
      if (letGo || state._tag === "Failed") continue
      const builds = [...operations].filter((operation) => operation.startsWith("build-")).length
      // So of one that is built anew: before the rest of it was removed, its agent may have made it again.
      if (builds > 1) continue
      const made = machines.reduce((sum, { databases }) => sum + databases.initialised(desired.id), 0)
      if (made > 1) witness.wrong(`${shortOf(desired.id)} was initialised ${made} times`)
    }
  })

  // What was ordered is there when it is said to be, though its server may have stopped since.
  witness.onActive = (id) => {
    const isMade = serverOf(id)?.databases.has(ordered) === true
    if (!isMade) witness.wrong(`${shortOf(id)} is said to be ready, and what was ordered is not there`)
  }

  /** At every moment. */
  const always = Effect.all([quotas, health, wakeUps, single], { discard: true })

  /** Whether everything has come to its end: what is still on its way, in words. */
  const unsettled = Effect.gen(function* () {
    const left: Array<string> = []
    for (const known of all()) {
      const { id } = known.desired
      const short = shortOf(id)
      if (!isAtRest(known)) left.push(`${short} is still ${known.state._tag}`)
      const loaded = Option.getOrNull(yield* (yield* Lifecycles).load(id))
      if (loaded !== null && loaded.mail.length > 0) left.push(`${short} has mail that nobody took`)
      if (known.state._tag === "Stopped" && serverOf(id)?.running === true)
        left.push(`${short} is Stopped and has a database that runs`)
      if (known.state._tag !== "Active") continue
      const record = Option.getOrNull(yield* (yield* Instances).get("any", id))
      if (record === null) continue
      // What waits for a restart shows nothing of its guest.
      const state = record.state === "RestartRequired" ? "Active" : record.state
      const shown = operatingStatusOf(state, record.observed, time.now)
      if (serverOf(id)?.running !== true) left.push(`${short} is ACTIVE and has no database that runs`)
      else if (shown !== "HEALTHY") left.push(`${short} serves, and is shown as ${shown}`)
      const machine = machines.find(({ databases }) => databases.servers.get(id)?.running === true)
      const { zone = machine?.zone } = record.desired
      if (machine !== undefined && zone !== machine.zone)
        left.push(`${short} was to live in ${zone}, and does on ${machine.name} in ${machine.zone}`)
      const version = findVersion(catalog, record.desired.datastoreVersion)?.version.version
      if (serverOf(id)?.version !== version || serverOf(id)?.madeBy !== version)
        left.push(
          `${short} is of version ${version}, and its server of ${serverOf(id)?.version} on data of ${serverOf(id)?.madeBy}`
        )
      if (serverOf(id)?.kept !== null) left.push(`${short} keeps data of another version`)
      const { fileMb, limitMb, memoryMb } = serverOf(id) ?? {}
      const size = record.desired.ram
      const lines = yield* (yield* History).list(id)
      const isExcused = lines.some((line) => line.kind === "report" && line.text.startsWith("left behind"))
      if (!isExcused && serverOf(id)?.running === true && [fileMb, limitMb, memoryMb].some((mb) => mb !== size))
        left.push(`${short} is ACTIVE with ${size} MB, and its server has ${fileMb}, ${limitMb}, ${memoryMb}`)
      const enforced = machines.flatMap(({ databases }) => databases.firewall.guards.get(id)?.networks ?? [])
      if (record.state === "Active" && enforced.join() !== networksOf(record.desired.access).join())
        left.push(`${short} is ACTIVE, and reached by others than were told of`)
      const group = Option.getOrNull(yield* (yield* Configurations).attachedTo(id))
      const isMeant = group !== null && record.state === "Active" && record.configuration?.notApplied === null
      // A log that is switched on is set over the group.
      const { log_statement, ...settings } = serverOf(id)?.settings ?? {}
      for (const { homes } of machines) {
        const home = yield* Effect.orDie(homes.find(id))
        const { general } = Option.isSome(home) ? yield* home.value.notes.logs : {}
        if (record.state === "Active" && serverOf(id)?.running === true && general !== undefined)
          if (general.on !== (log_statement === "all"))
            left.push(`${short} is to log ${general.on ? "" : "no "}statements, and does otherwise`)
      }
      if (isMeant && changed(settings, group.values).length > 0)
        left.push(`${short} is ACTIVE, and does not run with its settings`)
    }
    return left
  })

  /** What is left of an instance, in words. */
  const leftovers = Effect.fnUntraced(function* (id: Known["desired"]["id"]) {
    const left: Array<string> = []
    for (const { databases, homes, name } of machines) {
      if (databases.servers.has(id)) left.push(`a database on ${name}`)
      if (databases.firewall.guards.has(id)) left.push(`who may reach it, on ${name}`)
      if (Option.isSome(yield* Effect.orDie(homes.find(id)))) left.push(`a home on ${name}`)
    }
    if (Option.isSome(yield* (yield* Placements).find(id))) left.push("an address")
    if (witness.admitted.has(id)) left.push("its guest's access")
    if (Option.isSome(yield* (yield* Observations).get(id))) left.push(lastWord)
    if ((yield* (yield* ProvisioningStore).open(id)).databases.length > 0) left.push("its order")
    return left
  })

  /** When all has come to rest. */
  const atRest = Effect.gen(function* () {
    for (const { desired, state } of all()) {
      const short = shortOf(desired.id)
      const lines = yield* (yield* History).list(desired.id)
      for (const line of lines)
        if (line.kind === "step" && line.outcome === "running")
          witness.wrong(
            `${short} is ${state._tag}, and its step "${line.step}" (${line.attempt}) is told to be running`
          )
      const left = yield* leftovers(desired.id)
      if (state._tag === "Deleted" && left.length > 0) witness.wrong(`${short} is deleted, and left ${left.join(", ")}`)
      if (state._tag === "Active" && left.includes("its order"))
        witness.wrong(`${short} is ACTIVE, and its order with its passwords is kept`)
      const isExcused = lines.some((line) => line.kind === "report" && line.text.startsWith("left behind"))
      // A last word of its guest may come after it was forgotten, and goes with the delete.
      const things = left.filter((thing) => thing !== "its order" && thing !== lastWord)
      const isDeletes = lines.some((line) => line.kind === "transition" && line.to === "Deleting")
      if (state._tag === "Failed" && !isExcused && !isDeletes && things.length > 0)
        witness.wrong(`${short} failed, and left ${things.join(", ")} without a word`)
    }
    const owners = new Set(witness.instances.keys())
    for (const { databases, name } of machines)
      for (const id of databases.servers.keys())
        if (!owners.has(id)) witness.wrong(`a database on ${name} is nobody's: ${id}`)
  })

  /** What the workflow engine keeps of what has ended. */
  const engineKeeps = Effect.gen(function* () {
    const tables = yield* EngineTables
    yield* tables.prune(time.now + 1)
    return yield* tables.left
  })

  /** When everything was deleted. */
  const atTheEnd = Effect.gen(function* () {
    for (const { desired, state } of all())
      if (state._tag !== "Deleted") witness.wrong(`${shortOf(desired.id)} was deleted, and is ${state._tag}`)
    for (const tenant of tenants)
      for (const { inUse, reserved, resource } of yield* (yield* Quotas).usage(tenant))
        if (resources.includes(resource) && inUse + reserved > 0)
          witness.wrong(`${tenant} has nothing, and holds ${inUse + reserved} of ${resource}`)
    for (const what of yield* engineKeeps) witness.wrong(`everything has ended, and the engine keeps ${what}`)
  })

  return { always, unsettled, atRest, engineKeeps, atTheEnd }
}
