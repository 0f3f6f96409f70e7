/** The machine as a table, and what holds whatever order messages come in. */
import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import type { Event, EventTag, State } from "../../src/actors/Instance.ts"
import { decide, unreadable } from "../../src/actors/Lifecycle.ts"
import { defaultDeadlines, type Moment } from "../../src/actors/Transitions.ts"
import { deadlineOf, resizeOf, workOf } from "../../src/actors/Work.ts"
import { operationId } from "../../src/services/Ids.ts"
import type { StateTag } from "../../src/services/Status.ts"

const build = operationId("build", "1")
const restart = operationId("restart", "1")
const configure = operationId("configure", "1")
const resize = operationId("resize", "1")
const stop = operationId("stop", "1")
const start = operationId("start", "1")
const upgrade = operationId("upgrade", "1")
const rebuild = operationId("rebuild", "1")
const remove = operationId("delete", "1")
const to = { _tag: "Flavor", flavor: "2", ram: 1024 } as const
const fault = { message: "it broke", details: null, at: 5 }

const states: Record<StateTag, State> = {
  New: { _tag: "New" },
  Building: { _tag: "Building", operation: build, deadline: 100 },
  Active: { _tag: "Active" },
  Restarting: { _tag: "Restarting", operation: restart, deadline: 100 },
  Configuring: { _tag: "Configuring", operation: configure, deadline: 100 },
  Resizing: { _tag: "Resizing", operation: resize, deadline: 100, to },
  Stopping: { _tag: "Stopping", operation: stop, deadline: 100 },
  Stopped: { _tag: "Stopped" },
  Starting: { _tag: "Starting", operation: start, deadline: 100 },
  Upgrading: { _tag: "Upgrading", operation: upgrade, deadline: 100, version: "v-2" },
  Rebuilding: { _tag: "Rebuilding", operation: rebuild, deadline: 100 },
  Deleting: { _tag: "Deleting", operation: remove, deadline: 100, previous: build },
  Deleted: { _tag: "Deleted", at: 1 },
  Failed: { _tag: "Failed", fault, previous: null, again: "build" }
}

const moment: Moment = { now: 10, fresh: "2", deadlines: defaultDeadlines }

const by = "ann"
const takeback = operationId("takeback", "1")
const cancel = (operation: typeof build): Event => ({ _tag: "Cancel", operation, by })
const defect = (command: string | null = null): Event => ({ _tag: "Defect", fault, command })
const toVersion: Event = { _tag: "Upgrade", version: "v-2" }
const retry: Event = { _tag: "Retry", by }
const takeBack: Event = { _tag: "TakeBack", by }

const succeeded = (operation: typeof build): Event => ({ _tag: "OperationSucceeded", operation })
const failed = (operation: typeof build): Event => ({ _tag: "OperationFailed", operation, fault })
const failedOperation = failed

/** What each event does in each state; a pair that is not listed does nothing. */
const table: ReadonlyArray<readonly [StateTag, Event, StateTag]> = [
  ["New", { _tag: "Create" }, "Building"],
  ["New", { _tag: "Delete" }, "Deleting"],
  ["Building", { _tag: "Delete" }, "Deleting"],
  ["Building", succeeded(build), "Active"],
  ["Building", failed(build), "Failed"],
  ["Building", { _tag: "DeadlinePassed" }, "Failed"],
  ["Active", { _tag: "Restart" }, "Restarting"],
  ["Active", { _tag: "Delete" }, "Deleting"],
  ["Restarting", succeeded(restart), "Active"],
  ["Restarting", failed(restart), "Active"],
  ["Restarting", { _tag: "DeadlinePassed" }, "Active"],
  ["Restarting", { _tag: "Delete" }, "Deleting"],
  ["Active", { _tag: "Configure" }, "Configuring"],
  ["Building", { _tag: "Configure" }, "Building"],
  ["Restarting", { _tag: "Configure" }, "Restarting"],
  ["Configuring", { _tag: "Configure" }, "Configuring"],
  ["Configuring", { _tag: "Restart" }, "Configuring"],
  ["Configuring", succeeded(configure), "Active"],
  ["Configuring", failed(configure), "Active"],
  ["Configuring", { _tag: "DeadlinePassed" }, "Active"],
  ["Configuring", { _tag: "Delete" }, "Deleting"],
  ["Configuring", cancel(configure), "Active"],
  ["Configuring", defect(), "Failed"],
  ["Active", { _tag: "Resize", to }, "Resizing"],
  ["Configuring", { _tag: "Resize", to }, "Configuring"],
  ["Resizing", { _tag: "Configure" }, "Resizing"],
  ["Resizing", succeeded(resize), "Active"],
  ["Resizing", failed(resize), "Active"],
  ["Resizing", { _tag: "DeadlinePassed" }, "Resizing"],
  ["Resizing", cancel(resize), "Resizing"],
  ["Resizing", { _tag: "Delete" }, "Deleting"],
  ["Resizing", defect(), "Failed"],
  ["Active", { _tag: "Stop" }, "Stopping"],
  ["Configuring", { _tag: "Stop" }, "Configuring"],
  ["Stopping", succeeded(stop), "Stopped"],
  ["Stopping", failed(stop), "Starting"],
  ["Stopping", { _tag: "DeadlinePassed" }, "Starting"],
  ["Stopping", { _tag: "Configure" }, "Stopping"],
  ["Stopping", { _tag: "Delete" }, "Deleting"],
  ["Stopping", cancel(stop), "Starting"],
  ["Stopping", defect(), "Failed"],
  ["Stopped", { _tag: "Observed", status: "healthy" }, "Stopping"],
  ["Stopped", { _tag: "Start" }, "Starting"],
  ["Stopped", { _tag: "Restart" }, "Starting"],
  ["Stopped", { _tag: "Delete" }, "Deleting"],
  ["Stopped", defect(), "Failed"],
  ["Starting", succeeded(start), "Active"],
  ["Starting", failed(start), "Stopped"],
  ["Starting", { _tag: "DeadlinePassed" }, "Stopped"],
  ["Starting", { _tag: "Configure" }, "Starting"],
  ["Starting", { _tag: "Delete" }, "Deleting"],
  ["Starting", cancel(start), "Stopped"],
  ["Starting", defect(), "Failed"],
  ["Active", toVersion, "Upgrading"],
  ["Upgrading", { _tag: "Configure" }, "Upgrading"],
  ["Upgrading", succeeded(upgrade), "Active"],
  ["Upgrading", failed(upgrade), "Active"],
  ["Upgrading", { _tag: "DeadlinePassed" }, "Upgrading"],
  ["Upgrading", { _tag: "Delete" }, "Deleting"],
  ["Upgrading", cancel(upgrade), "Upgrading"],
  ["Upgrading", defect(), "Failed"],
  ["Active", { _tag: "Rebuild" }, "Rebuilding"],
  ["Stopped", { _tag: "Rebuild" }, "Rebuilding"],
  ["Configuring", { _tag: "Rebuild" }, "Configuring"],
  ["Rebuilding", { _tag: "Configure" }, "Rebuilding"],
  ["Rebuilding", succeeded(rebuild), "Active"],
  ["Rebuilding", failed(rebuild), "Active"],
  ["Rebuilding", { _tag: "DeadlinePassed" }, "Active"],
  ["Rebuilding", { _tag: "Delete" }, "Deleting"],
  ["Rebuilding", cancel(rebuild), "Active"],
  ["Rebuilding", defect(), "Failed"],
  ["Deleting", succeeded(remove), "Deleted"],
  ["Deleting", failed(remove), "Failed"],
  ["Deleting", succeeded(build), "Deleting"],
  ["Deleting", failed(build), "Deleting"],
  ["Deleting", { _tag: "DeadlinePassed" }, "Failed"],
  ["Failed", { _tag: "Delete" }, "Deleting"],
  ["Building", cancel(build), "Failed"],
  ["Restarting", cancel(restart), "Active"],
  ["Deleting", cancel(remove), "Failed"],
  ["Building", takeBack, "Failed"],
  ["Failed", retry, "Building"],
  ["Failed", takeBack, "Failed"],
  ["New", defect(), "Failed"],
  ["Building", defect(), "Failed"],
  ["Active", defect(), "Failed"],
  ["Restarting", defect(), "Failed"],
  ["Deleting", defect(), "Failed"]
]

const events: ReadonlyArray<Event> = [
  { _tag: "Create" },
  { _tag: "Restart" },
  { _tag: "Stop" },
  { _tag: "Start" },
  { _tag: "Configure" },
  toVersion,
  { _tag: "Resize", to },
  { _tag: "Rebuild" },
  { _tag: "Delete" },
  succeeded(build),
  succeeded(restart),
  succeeded(configure),
  succeeded(resize),
  succeeded(stop),
  succeeded(start),
  succeeded(upgrade),
  succeeded(rebuild),
  succeeded(remove),
  failed(build),
  failed(restart),
  failed(configure),
  failed(resize),
  failed(stop),
  failed(start),
  failed(upgrade),
  failed(rebuild),
  failed(remove),
  { _tag: "Observed", status: "healthy" },
  { _tag: "HeartbeatLost" },
  { _tag: "DeadlinePassed" },
  cancel(build),
  cancel(restart),
  cancel(configure),
  cancel(resize),
  cancel(stop),
  cancel(start),
  cancel(upgrade),
  cancel(rebuild),
  cancel(remove),
  retry,
  takeBack,
  defect()
]

describe("the machine", () => {
  for (const tag of Object.keys(states) as ReadonlyArray<StateTag>) {
    for (const event of events) {
      const expected = table.find(([from, on]) => from === tag && JSON.stringify(on) === JSON.stringify(event))?.[2]
      const name = "operation" in event ? `${event._tag} of ${event.operation}` : event._tag
      it(`in ${tag}, ${name} ${expected === undefined ? "changes nothing" : `leads to ${expected}`}`, () => {
        expect(decide(states[tag], event, moment)?.state._tag).toBe(expected)
      })
    }
  }

  it("remembers which operation a delete calls off", () => {
    expect(decide(states.Building, { _tag: "Delete" }, moment)?.state).toMatchObject({ previous: build })
    expect(decide(states.Restarting, { _tag: "Delete" }, moment)?.state).toMatchObject({ previous: restart })
  })

  it("tells why a restart failed, and keeps the instance in service", () => {
    expect(decide(states.Restarting, failed(restart), moment)).toEqual({
      state: { _tag: "Active" },
      because: "the restart failed: it broke"
    })
  })

  it("follows what a delete had called off to its end, when the delete is called off itself", () => {
    const called = decide(states.Deleting, cancel(remove), moment)?.state ?? states.New
    expect(called).toMatchObject({ previous: remove, earlier: [build], again: "delete" })
    const left = decide(called, failed(remove), moment)?.state ?? states.New
    expect(left).toMatchObject({ previous: build, again: "delete" })
    expect(left).not.toHaveProperty("earlier")
    expect(workOf(left)).toEqual({ _tag: "Interrupt", operation: build })
    expect(decide(left, succeeded(build), moment)?.state).toMatchObject({ _tag: "Failed", previous: null })
    expect(decide(called, failed(build), moment)?.state).toMatchObject({ previous: remove })
    expect(decide(called, { _tag: "Delete" }, moment)?.state).toMatchObject({ previous: remove, earlier: [build] })
    expect(decide(left, retry, moment)?.state).toMatchObject({ _tag: "Deleting", previous: build })
  })

  it("brings what was asked for under an operation when that has ended, and a restart before all", () => {
    const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
    const told = next(states.Restarting, { _tag: "Configure" })
    expect(next(told, succeeded(restart))).toMatchObject({ _tag: "Configuring", operation: "configure-2" })
    expect(next(told, failed(restart))._tag).toBe("Configuring")
    const both = next(next(states.Configuring, { _tag: "Configure" }), { _tag: "Restart" })
    expect(next(both, succeeded(configure))).toMatchObject({ _tag: "Restarting", operation: "restart-2" })
    expect(next(next(states.Building, { _tag: "Configure" }), succeeded(build))._tag).toBe("Configuring")
  })

  it("keeps that a server waits for a restart until it was restarted", () => {
    const waits: State = { _tag: "Active", restartRequired: true }
    const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
    const ended: Event = { _tag: "OperationSucceeded", operation: configure, restartRequired: true }
    expect(next(states.Configuring, ended)).toEqual(waits)
    const again = operationId("restart", "2")
    const restarting = next(waits, { _tag: "Restart" })
    expect(next(restarting, failed(again))).toEqual(waits)
    expect(next(restarting, { _tag: "DeadlinePassed" })).toEqual(waits)
    expect(next(restarting, succeeded(again))).toEqual({ _tag: "Active" })
  })

  it("follows the guest about which version serves, also where the upgrade is called off, or long given up", () => {
    const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
    const done: Event = { _tag: "OperationSucceeded", operation: upgrade, version: "v-2" }
    const serves = { state: { _tag: "Active" }, version: "v-2" }
    expect(decide(states.Upgrading, done, moment)).toMatchObject(serves)
    expect(decide(states.Upgrading, failed(upgrade), moment)).toEqual({
      state: { _tag: "Active" },
      because: "the upgrade failed: it broke; the version of before serves"
    })
    const off = next(states.Upgrading, cancel(upgrade))
    expect(workOf(off)).toEqual({ _tag: "Interrupt", operation: upgrade })
    expect(decide(off, cancel(upgrade), moment)).toBeNull()
    expect(decide(off, done, moment)).toMatchObject(serves)
    expect(decide(off, failed(upgrade), moment)).toMatchObject({
      state: { _tag: "Active" },
      because: "the upgrade was called off by ann; the version of before serves"
    })
    const lost = next(off, { _tag: "DeadlinePassed" })
    expect(lost).toMatchObject({ _tag: "Failed", previous: upgrade, again: "service" })
    expect(decide(lost, done, moment)).toMatchObject(serves)
    expect(decide(lost, failed(upgrade), moment)?.state).toEqual({ _tag: "Active" })
    expect(next(next(states.Upgrading, { _tag: "Configure" }), done)._tag).toBe("Configuring")
  })

  it("says that a restart is required where a configuration was cut off, and has it done again after a defect", () => {
    const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
    const waits: State = { _tag: "Active", restartRequired: true }
    expect(next(states.Configuring, { _tag: "DeadlinePassed" })).toEqual(waits)
    expect(next(states.Configuring, cancel(configure))).toEqual(waits)
    expect(next(states.Configuring, failed(configure))).toEqual({ _tag: "Active" })
    const behind: Event = { _tag: "OperationFailed", operation: configure, fault, restartRequired: true }
    expect(next(states.Configuring, behind)).toEqual(waits)
    const struck = next(next(states.Configuring, defect()), failed(configure))
    expect(next(struck, retry)._tag).toBe("Configuring")
    const later = next(next(states.Active, defect()), { _tag: "Configure" })
    expect(next(later, retry)._tag).toBe("Configuring")
  })

  it("goes back to what it was when a resize is called off, and is at rest when that has ended", () => {
    const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
    for (const event of [cancel(resize), { _tag: "DeadlinePassed" } as const]) {
      const back = next(states.Resizing, event)
      expect(workOf(back)).toEqual({ _tag: "Interrupt", operation: resize })
      expect(resizeOf(back)).toEqual(to)
      expect(decide(back, cancel(resize), moment)).toBeNull()
      expect(next(back, failed(resize))).toEqual({ _tag: "Active" })
      // Nobody knows which flavor its database runs with then.
      expect(next(back, { _tag: "DeadlinePassed" })).toEqual({ _tag: "Active", restartRequired: true })
      // It had succeeded when it was called off.
      expect(decide(back, succeeded(resize), moment)).toMatchObject({ state: { _tag: "Active" }, resized: to })
    }
  })

  it("says what the instance is when a resize has succeeded, whatever came in between", () => {
    expect(decide(states.Resizing, succeeded(resize), moment)).toMatchObject({ state: { _tag: "Active" }, resized: to })
    expect(decide(states.Resizing, failed(resize), moment)).not.toHaveProperty("resized")
    const struck = decide(states.Resizing, defect(), moment)?.state ?? states.New
    expect(resizeOf(struck)).toEqual(to)
    const after = decide(struck, succeeded(resize), moment)
    expect(after).toMatchObject({ state: { _tag: "Failed", previous: null }, resized: to })
    expect(resizeOf(after?.state ?? struck)).toBeNull()
    expect(resizeOf(decide(struck, failed(resize), moment)?.state ?? struck)).toBeNull()
  })

  it("resizes when the configuration that was under way has ended, and brings a changed group after that", () => {
    const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
    const both = next(next(states.Configuring, { _tag: "Resize", to }), { _tag: "Configure" })
    expect(resizeOf(both)).toEqual(to)
    const resizing = next(both, succeeded(configure))
    expect(resizing).toMatchObject({ _tag: "Resizing", operation: "resize-2", to, configure: true })
    expect(next(resizing, succeeded(operationId("resize", "2")))._tag).toBe("Configuring")
  })

  it("need not wait for what has come to its end before the delete is called off", () => {
    const alone = decide(states.Deleting, failed(build), moment)?.state ?? states.New
    expect(alone).toMatchObject({ _tag: "Deleting", operation: remove, previous: null })
    expect(decide(alone, cancel(remove), moment)?.state).toMatchObject({ previous: remove })
    expect(decide(states.Deleting, succeeded(build), moment)?.state).toEqual(alone)
  })

  it("takes a delete that ended well after its deadline for what it is", () => {
    const late = decide(states.Deleting, { _tag: "DeadlinePassed" }, moment)?.state ?? states.New
    expect(decide(late, succeeded(remove), moment)?.state._tag).toBe("Deleted")
  })
})

describe("a database that is stopped", () => {
  const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state

  it("is stopped after what is under way, which a restart is not asked for beside", () => {
    const asked = next(states.Configuring, { _tag: "Stop" })
    expect(asked).toEqual({ ...states.Configuring, stop: true })
    expect(decide(asked, { _tag: "Restart" }, moment)).toBeNull()
    expect(decide(asked, { _tag: "Stop" }, moment)).toBeNull()
    for (const event of [succeeded(configure), failedOperation(configure), cancel(configure)])
      expect(next(asked, event)).toMatchObject({ _tag: "Stopping", operation: "stop-2" })
  })

  it("serves on where its stop failed and it serves, and is brought back where that is not known", () => {
    const told: Event = { _tag: "OperationFailed", operation: stop, fault, serves: true }
    expect(next(states.Stopping, told)).toEqual({ _tag: "Active" })
    expect(next(states.Stopping, failedOperation(stop))).toMatchObject({ _tag: "Starting", operation: "start-2" })
  })

  it("is in service where its start failed and it serves, and stopped else", () => {
    const told: Event = { _tag: "OperationFailed", operation: start, fault, serves: true }
    expect(next(states.Starting, told)).toEqual({ _tag: "Active" })
    expect(decide(states.Starting, failedOperation(start), moment)).toEqual({
      state: { _tag: "Stopped" },
      because: "the start failed: it broke"
    })
  })

  it("forgets a change of its group, which its start brings, and brings one that comes under the start", () => {
    const stopping = next(states.Stopping, { _tag: "Configure" })
    expect(next(stopping, succeeded(stop))).toEqual({ _tag: "Stopped" })
    const starting = next(states.Starting, { _tag: "Configure" })
    expect(next(starting, succeeded(start))._tag).toBe("Configuring")
    expect(next(starting, failedOperation(start))).toEqual({ _tag: "Stopped" })
  })

  it("is stopped still when a defect is mended", () => {
    for (const state of [states.Stopped, next(next(states.Starting, defect()), failedOperation(start))]) {
      const struck = state._tag === "Stopped" ? next(state, defect()) : state
      expect(struck).toMatchObject({ _tag: "Failed", again: "stopped", previous: null })
      expect(next(struck, { _tag: "Retry", by })).toEqual({ _tag: "Stopped" })
      expect(decide(struck, { _tag: "TakeBack", by }, moment)).toBeNull()
    }
  })
})

describe("an operator", () => {
  const failed = (again: "build" | "delete" | "service", previous: typeof build | null = null): State => ({
    _tag: "Failed",
    fault,
    previous,
    again
  })

  it("calls off the operation that was meant, and none that came after it", () => {
    expect(decide(states.Building, cancel(operationId("build", "0")), moment)).toBeNull()
    expect(decide(states.Building, cancel(build), moment)).toMatchObject({
      state: { _tag: "Failed", previous: build, again: "build" },
      because: "called off by ann"
    })
    expect(decide(states.Deleting, cancel(remove), moment)?.state).toMatchObject({ previous: remove, again: "delete" })
  })

  it("retries what has failed, once what was called off has come to its end", () => {
    expect(decide(failed("build", build), retry, moment)).toBeNull()
    expect(workOf(decide(failed("build"), retry, moment)?.state ?? states.New)).toEqual({
      _tag: "Build",
      operation: operationId("build", "2"),
      anew: true
    })
    expect(decide(failed("delete", remove), retry, moment)?.state).toMatchObject({ _tag: "Deleting", previous: remove })
    expect(decide(failed("service"), retry, moment)?.state).toEqual({ _tag: "Active" })
    expect(decide(failed("service", restart), retry, moment)).toBeNull()
    expect(decide({ _tag: "Failed", fault, previous: null }, retry, moment)).toBeNull()
  })

  it("takes back what a failed operation left, and nothing of what is in service", () => {
    const state = decide(failed("delete"), takeBack, moment)?.state ?? states.New
    const work = { _tag: "TakeBack", operation: operationId("takeback", "2") }
    expect(workOf(state)).toEqual(work)
    for (const end of [succeeded, failedOperation]) {
      const after = decide(state, end(operationId("takeback", "2")), moment)?.state
      expect(after).toEqual(failed("delete"))
      expect(decide(state, end(takeback), moment)).toBeNull()
    }
    expect(decide(failed("service"), takeBack, moment)).toBeNull()
    expect(decide(failed("build", build), takeBack, moment)).toBeNull()
  })
})

describe("a rebuild", () => {
  const next = (state: State, event: Event) => decide(state, event, moment)?.state ?? state
  const again = operationId("rebuild", "2")

  it("of what was stopped leaves it stopped where it fails and does not serve, and in service else", () => {
    const rebuilding = next(states.Stopped, { _tag: "Rebuild" })
    expect(rebuilding).toMatchObject({ _tag: "Rebuilding", operation: again, stopped: true })
    expect(next(rebuilding, succeeded(again))).toEqual({ _tag: "Active" })
    for (const event of [failedOperation(again), cancel(again), { _tag: "DeadlinePassed" } as const])
      expect(next(rebuilding, event)).toEqual({ _tag: "Stopped" })
    expect(next(rebuilding, { _tag: "OperationFailed", operation: again, fault, serves: true })._tag).toBe("Active")
    expect(next(rebuilding, defect())).toMatchObject({ again: "stopped", previous: again })
  })

  it("mends what is in ERROR with a database, of which nothing is under way, and nothing else", () => {
    const inError = (of: "service" | "stopped" | "build" | "delete", previous: typeof build | null = null): State => ({
      ...{ _tag: "Failed", fault, previous, again: of }
    })
    expect(next(inError("service"), { _tag: "Rebuild" })).toEqual({
      _tag: "Rebuilding",
      operation: again,
      deadline: 1800010
    })
    expect(next(inError("stopped"), { _tag: "Rebuild" })).toMatchObject({ _tag: "Rebuilding", stopped: true })
    for (const state of [inError("build"), inError("delete"), inError("service", upgrade)])
      expect(decide(state, { _tag: "Rebuild" }, moment)).toBeNull()
    const waiting: State = { _tag: "Failed", fault, previous: null, again: "service", configure: true }
    expect(next(next(waiting, { _tag: "Rebuild" }), succeeded(again))._tag).toBe("Configuring")
  })

  it("follows a configuration that is under way, which a restart is not asked for beside", () => {
    const asked = next(states.Configuring, { _tag: "Rebuild" })
    expect(decide(asked, { _tag: "Restart" }, moment)).toBeNull()
    for (const event of [succeeded(configure), failedOperation(configure), cancel(configure)])
      expect(next(asked, event)).toMatchObject({ _tag: "Rebuilding", operation: again })
  })
})

describe("a defect", () => {
  it("keeps what was under way to be called off, and what is to be done again", () => {
    expect(decide(states.Building, defect(), moment)?.state).toMatchObject({ previous: build, again: "build" })
    expect(decide(states.Restarting, defect(), moment)?.state).toMatchObject({ previous: restart, again: "service" })
    expect(decide(states.Active, defect(), moment)?.state).toMatchObject({ previous: null, again: "service" })
  })

  it("that keeps a delete from being taken leaves a delete to be asked for again", () => {
    expect(decide(states.Active, defect("Delete"), moment)?.state).toMatchObject({ again: "delete" })
    expect(decide(states.Failed, defect("Delete"), moment)?.state).toMatchObject({ again: "delete" })
  })

  it("in what was called off lets go of it; one in a command does not", () => {
    const state: State = { _tag: "Failed", fault, previous: build, again: "build" }
    expect(decide(state, defect(), moment)?.state).toEqual({ ...state, previous: null })
    expect(decide(state, defect("unreadable"), moment)).toBeNull()
  })

  it("leaves a state that cannot be read in ERROR, with what it names called off", () => {
    expect(unreadable(remove, fault)).toEqual({ _tag: "Failed", fault, previous: remove, again: "delete" })
    expect(unreadable(null, fault)).toEqual({ _tag: "Failed", fault, previous: null, again: "service" })
  })
})

const tags: ReadonlyArray<EventTag> = [
  "Create",
  "Restart",
  "Configure",
  "Upgrade",
  "Resize",
  "Stop",
  "Start",
  "Rebuild",
  "Delete",
  "OperationSucceeded",
  "OperationFailed",
  "Observed",
  "HeartbeatLost",
  "DeadlinePassed",
  "Cancel",
  "Retry",
  "TakeBack",
  "Defect"
]

/** A random event; outcomes are of the operation under way, the one before, or one that never was. */
const eventIn = (state: State, tag: EventTag, whose: number): Event => {
  const known = [
    ...("operation" in state ? [state.operation] : []),
    ...("previous" in state && state.previous !== null ? [state.previous] : []),
    operationId("build", "never")
  ]
  const operation = known[whose % known.length] ?? build
  switch (tag) {
    case "OperationSucceeded":
      return { _tag: tag, operation }
    case "OperationFailed":
      return { _tag: tag, operation, fault }
    case "Observed":
      return { _tag: tag, status: "healthy" }
    case "Cancel":
      return cancel(operation)
    case "Retry":
    case "TakeBack":
      return { _tag: tag, by }
    case "Upgrade":
      return toVersion
    case "Resize":
      return { _tag: tag, to }
    case "Defect":
      return defect()
    default:
      return { _tag: tag }
  }
}

const sequences = fc.array(fc.tuple(fc.constantFrom(...tags), fc.nat(7)), { maxLength: 40 })

describe("whatever order messages come in", () => {
  it("what is not at rest has a deadline, and its passing leads out", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        let state: State = { _tag: "New" }
        sequence.forEach(([tag, whose], n) => {
          const moment = { now: n, fresh: String(n), deadlines: defaultDeadlines }
          const before = state
          state = decide(state, eventIn(state, tag, whose), moment)?.state ?? state
          const isOver = state._tag === "Upgrading" && state.calledOff !== undefined
          const isHeld = isOver || state._tag === "Resizing"
          const busy = isHeld || !["Rest", "Interrupt", "TakeBack"].includes(workOf(state)._tag)
          expect(busy).toBe(deadlineOf(state) !== null)
          const isServing = ["Restarting", "Configuring", "Resizing", "Stopping", "Starting", "Rebuilding"].includes(
            state._tag
          )
          const next = decide(state, { _tag: "DeadlinePassed" }, moment)?.state
          if (state._tag === "Upgrading" && !isOver) {
            expect(next).toMatchObject({ _tag: "Upgrading", calledOff: "the upgrade passed its deadline" })
            return
          }
          const out = isServing
            ? ["Active", "Restarting", "Configuring", "Resizing", "Stopping", "Stopped", "Starting", "Rebuilding"]
            : ["Failed"]
          if (busy) expect(out).toContain(next?._tag)
          if (before._tag === "Deleted") expect(state).toBe(before)
        })
      })
    )
  })

  it("a restart or a configuration begins in service only, and leads back to it unless a delete came in between", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        let state: State = { _tag: "New" }
        sequence.forEach(([tag, whose], n) => {
          const before = state
          const moment = { now: n, fresh: String(n), deadlines: defaultDeadlines }
          state = decide(state, eventIn(state, tag, whose), moment)?.state ?? state
          const serving: ReadonlyArray<StateTag> = [
            "Active",
            "Restarting",
            "Configuring",
            "Resizing",
            "Stopping",
            "Stopped",
            "Starting",
            "Upgrading",
            "Rebuilding"
          ]
          if (serving.includes(before._tag)) expect([...serving, "Deleting", "Failed"]).toContain(state._tag)
          else if (state._tag === "Rebuilding") expect(before._tag).toBe("Failed")
          else if (state._tag === "Stopped") expect(before._tag).toBe("Failed")
          else if (state._tag === "Restarting") expect.unreachable("it was not in service")
          else if (state._tag === "Resizing") expect.unreachable("it was not in service")
          else if (state._tag === "Configuring") expect(["Building", "Failed"]).toContain(before._tag)
        })
      })
    )
  })

  it("a delete is always on its way or done once it was asked for, unless it failed", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        let state: State = { _tag: "New" }
        let asked = false
        sequence.forEach(([tag, whose], n) => {
          const event = eventIn(state, tag, whose)
          const previous = "previous" in state ? state.previous : null
          state = decide(state, event, { now: n, fresh: String(n), deadlines: defaultDeadlines })?.state ?? state
          if (tag === "Delete") asked = true
          // The one way back to life: a build that was called off at its deadline ended well before the delete came.
          if (asked && state._tag === "Active") expect(previous).toMatch(/^(build|upgrade)-/)
          if (asked) expect(["Deleting", "Deleted", "Failed"]).toContain(state._tag)
        })
      })
    )
  })

  it("an operation's id is never used again", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        let state: State = { _tag: "New" }
        const seen = new Set<string>()
        sequence.forEach(([tag, whose], n) => {
          const next = decide(state, eventIn(state, tag, whose), {
            now: n,
            fresh: String(n),
            deadlines: defaultDeadlines
          })?.state
          const goesOn = "operation" in state ? state.operation : null
          if (next !== undefined && "operation" in next && next.operation !== goesOn) {
            expect(seen.has(next.operation)).toBe(false)
            seen.add(next.operation)
          }
          state = next ?? state
        })
      })
    )
  })
})
