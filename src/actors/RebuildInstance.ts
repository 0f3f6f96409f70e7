/**
 * The rebuild of an instance: its server is made anew over the data that it has, from the image that it has. Its machine
 * is made sure of first, with its size and the guest's way in; then who may reach it; then the guest takes apart what
 * there is of the server beside its data, and starts it, with the settings that are wanted. Same users, same address.
 *
 * However that ends there is an instance still, for nothing touches the data: one that fails is in service as before, or
 * stopped as before. Cut off in the middle it is asked for again: what was rebuilt twice was rebuilt.
 */
import { Duration, Effect, Option } from "effect"
import { Workflow } from "effect/workflow"
import { findFlavor, findVersion, offered } from "../services/Catalog.ts"
import type { ServerSpec } from "../services/Compute.ts"
import type { InstanceId } from "../services/Ids.ts"
import { Placements } from "../services/Placements.ts"
import { askGuest } from "./AskGuest.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { ensureServer } from "./EnsureServer.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { isWanted, Operation, operationEnded, StepFailure, step } from "./Operation.ts"
import { reportWhatServes } from "./WhatServes.ts"

export const RebuildInstance = Workflow.make("RebuildInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** As for a restart: an agent that is started anew is back within them. */
const retries = 4
const attemptDeadline = Duration.seconds(400)

const refuse = (message: string) => new StepFailure({ message, detail: "", transient: false })

/** What the records say that the server is. */
const specOf = Effect.fnUntraced(function* (instance: InstanceId) {
  const catalog = yield* offered
  const desired = Option.getOrNull(yield* (yield* Lifecycles).desired(instance))
  const placement = Option.getOrNull(yield* (yield* Placements).find(instance))
  if (desired === null || placement === null) return yield* refuse("The instance is gone.")
  const found = findVersion(catalog, desired.datastoreVersion)
  if (found === undefined) return yield* refuse(`Datastore version ${desired.datastoreVersion} is no longer offered.`)
  const flavor = findFlavor(catalog, desired.flavor)
  if (flavor === undefined)
    return yield* refuse(`Flavor ${desired.flavor} is no longer offered. Resize the instance to another flavor first.`)
  const { agent = "coffer", image, manager, version } = found.version
  const { ram: memoryMb, vcpus } = flavor
  const spec: ServerSpec = {
    ...{ instanceId: instance, manager, version, image, agent, ...placement },
    ...{ memoryMb, vcpus, volumeSize: desired.volumeSize }
  }
  return spec
})

const makeSure = (operation: Operation) =>
  step(operation, {
    name: "make sure of the server",
    waitsFor: "its machine to have its volume, its size and its guest agent",
    deadline: Duration.minutes(2),
    retries: 8,
    execute: Effect.gen(function* () {
      if (!(yield* isWanted(operation))) return yield* refuse("The rebuild was called off.")
      yield* ensureServer(operation.instance, yield* specOf(operation.instance))
    })
  })

const rebuildDatabase = (operation: Operation) =>
  step(operation, {
    name: "rebuild the database",
    waitsFor: "the guest agent to make the server anew over its data, until a client can log in",
    deadline: attemptDeadline,
    retries,
    execute: Effect.gen(function* () {
      const { image, version: ds_version } = yield* specOf(operation.instance)
      const asked = BringConfiguration.restart(operation.instance, (guest) => guest.rebuild({ ds_version, image }))
      yield* askGuest(operation, "rebuild", asked, { isHarmlessTwice: true })
    })
  })

export const layer = RebuildInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) => reportWhatServes(operation, cause))
    yield* makeSure(operation)
    // Before anything is taken apart: where it cannot be enforced the server would not be started.
    yield* BringAccess.anew(operation, "rebuild")
    yield* rebuildDatabase(operation)
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
