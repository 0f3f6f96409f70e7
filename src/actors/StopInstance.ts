/**
 * The stop of an instance's database: its guest is told, keeps that on its disk, and answers when the server has come to
 * a clean end. From then on it stays so, whatever is started anew. A stop that fails leaves the database in service: the
 * guest that could not stop its server goes on with it.
 *
 * Cut off in the middle it is asked for again: a database that was stopped twice is stopped.
 */
import { Duration, Effect } from "effect"
import { Workflow } from "effect/workflow"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import type { InstanceId } from "../services/Ids.ts"
import { askGuest } from "./AskGuest.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { insist, Operation, operationEnded, StepFailure, step } from "./Operation.ts"
import { isSeenToServe } from "./WhatServes.ts"

export const StopInstance = Workflow.make("StopInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** As for a restart: an agent that is started anew is back within them. */
const retries = 4

/** Longer than the wait for the guest and its 180 s, so that it is the call that says what was the matter. */
const attemptDeadline = Duration.seconds(210)

const stop = Effect.fnUntraced(function* (instance: InstanceId) {
  const guest = (yield* Fabric).client(guestTopic(instance), GuestApi)
  yield* guest.stop_db({})
})

const stopDatabase = (operation: Operation) =>
  step(operation, {
    name: "stop the database",
    waitsFor: "the guest agent to cut its clients off and bring the database to a clean end",
    deadline: attemptDeadline,
    retries,
    execute: askGuest(operation, "stop", stop(operation.instance), { isHarmlessTwice: true })
  })

export const layer = StopInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.gen(function* () {
        yield* operationEnded(operation)
        // A guest that did not tell how it went may have stopped it after all: then it is started again.
        const serves = yield* insist(isSeenToServe(operation.instance))
        yield* insist(reportOutcome(operation, cause, { serves }))
      })
    )
    yield* stopDatabase(operation)
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
