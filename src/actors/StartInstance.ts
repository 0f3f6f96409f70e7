/**
 * The start of a database that was stopped: its guest is told, and answers when a client can log in. What its
 * configuration group has become meanwhile, and who may reach it, it brings along. A start that fails leaves it stopped, for the guest stops
 * what does not come up; where the guest is seen to serve all the same, it is in service.
 */
import { Duration, Effect } from "effect"
import { Workflow } from "effect/workflow"
import { askGuest } from "./AskGuest.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { Operation, operationEnded, StepFailure, step } from "./Operation.ts"
import { reportWhatServes } from "./WhatServes.ts"

export const StartInstance = Workflow.make("StartInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** As for a restart. */
const retries = 4
const attemptDeadline = Duration.seconds(400)

// By a restart, which Trove's agents know as well: their other start would have them write a configuration of its own.
const startDatabase = (operation: Operation) =>
  step(operation, {
    name: "start the database",
    waitsFor: "the guest agent to start the database, until a client can log in",
    deadline: attemptDeadline,
    retries,
    execute: askGuest(operation, "start", BringConfiguration.restart(operation.instance), { isHarmlessTwice: true })
  })

export const layer = StartInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) => reportWhatServes(operation, cause))
    // First: what is down lets nobody in who is to be kept out, and is not started where that cannot be enforced.
    yield* BringAccess.whereItHasChanged(operation, "start")
    yield* startDatabase(operation)
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
