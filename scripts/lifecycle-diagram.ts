/** Prints docs/lifecycle.md: the machine, asked for every state and event, as a diagram. */
import { pathToFileURL } from "node:url"
import type { Event, State } from "../src/actors/Instance.ts"
import { decide } from "../src/actors/Lifecycle.ts"
import { defaultDeadlines } from "../src/actors/Transitions.ts"
import { operationId } from "../src/services/Ids.ts"

const build = operationId("build", "b")
const restart = operationId("restart", "r")
const configure = operationId("configure", "c")
const upgrade = operationId("upgrade", "u")
const resize = operationId("resize", "z")
const to = { _tag: "Volume", size: 2 } as const
const stop = operationId("stop", "s")
const start = operationId("start", "t")
const rebuild = operationId("rebuild", "e")
const remove = operationId("delete", "d")
const fault = { message: "", details: null, at: 0 }
const by = "an operator"

const states: ReadonlyArray<State> = [
  { _tag: "New" },
  { _tag: "Building", operation: build, deadline: 0 },
  { _tag: "Active" },
  { _tag: "Restarting", operation: restart, deadline: 0 },
  { _tag: "Restarting", operation: restart, deadline: 0, configure: true },
  { _tag: "Configuring", operation: configure, deadline: 0 },
  { _tag: "Configuring", operation: configure, deadline: 0, restart: true },
  { _tag: "Configuring", operation: configure, deadline: 0, resize: to },
  { _tag: "Resizing", operation: resize, deadline: 0, to },
  { _tag: "Resizing", operation: resize, deadline: 0, to, configure: true },
  { _tag: "Resizing", operation: resize, deadline: 0, to, calledOff: true },
  { _tag: "Configuring", operation: configure, deadline: 0, stop: true },
  { _tag: "Stopping", operation: stop, deadline: 0 },
  { _tag: "Stopped" },
  { _tag: "Starting", operation: start, deadline: 0 },
  { _tag: "Starting", operation: start, deadline: 0, configure: true },
  { _tag: "Rebuilding", operation: rebuild, deadline: 0 },
  { _tag: "Rebuilding", operation: rebuild, deadline: 0, configure: true },
  { _tag: "Rebuilding", operation: rebuild, deadline: 0, stopped: true },
  { _tag: "Configuring", operation: configure, deadline: 0, restart: true, rebuild: true },
  { _tag: "Upgrading", operation: upgrade, deadline: 0, version: "" },
  { _tag: "Upgrading", operation: upgrade, deadline: 0, version: "", calledOff: "" },
  { _tag: "Deleting", operation: remove, deadline: 0, previous: null },
  { _tag: "Failed", fault, previous: build },
  { _tag: "Failed", fault, previous: remove },
  { _tag: "Failed", fault, previous: upgrade, again: "service" },
  { _tag: "Failed", fault, previous: null, again: "build" },
  { _tag: "Failed", fault, previous: null, again: "delete" },
  { _tag: "Failed", fault, previous: null, again: "service" },
  { _tag: "Failed", fault, previous: null, again: "stopped" },
  { _tag: "Deleted", at: 0 }
]

const events: ReadonlyArray<readonly [label: string, event: Event]> = [
  ["create", { _tag: "Create" }],
  ["restart", { _tag: "Restart" }],
  ["stop", { _tag: "Stop" }],
  ["start", { _tag: "Start" }],
  ["configuration group changed", { _tag: "Configure" }],
  ["upgrade", { _tag: "Upgrade", version: "" }],
  ["resize", { _tag: "Resize", to }],
  ["rebuild", { _tag: "Rebuild" }],
  ["delete", { _tag: "Delete" }],
  ["build succeeded", { _tag: "OperationSucceeded", operation: build }],
  ["restart succeeded", { _tag: "OperationSucceeded", operation: restart }],
  ["configuration succeeded", { _tag: "OperationSucceeded", operation: configure }],
  ["resize succeeded", { _tag: "OperationSucceeded", operation: resize }],
  ["stop succeeded", { _tag: "OperationSucceeded", operation: stop }],
  ["start succeeded", { _tag: "OperationSucceeded", operation: start }],
  ["rebuild succeeded", { _tag: "OperationSucceeded", operation: rebuild }],
  ["upgrade succeeded", { _tag: "OperationSucceeded", operation: upgrade }],
  ["delete succeeded", { _tag: "OperationSucceeded", operation: remove }],
  ["build failed", { _tag: "OperationFailed", operation: build, fault }],
  ["restart failed", { _tag: "OperationFailed", operation: restart, fault }],
  ["configuration failed", { _tag: "OperationFailed", operation: configure, fault }],
  ["resize failed", { _tag: "OperationFailed", operation: resize, fault }],
  ["stop failed, and it serves", { _tag: "OperationFailed", operation: stop, fault, serves: true }],
  ["stop failed", { _tag: "OperationFailed", operation: stop, fault }],
  ["start failed", { _tag: "OperationFailed", operation: start, fault }],
  ["rebuild failed", { _tag: "OperationFailed", operation: rebuild, fault }],
  ["seen to serve", { _tag: "Observed", status: "healthy" }],
  ["upgrade failed", { _tag: "OperationFailed", operation: upgrade, fault }],
  ["delete failed", { _tag: "OperationFailed", operation: remove, fault }],
  ["deadline passed", { _tag: "DeadlinePassed" }],
  ["cancel", { _tag: "Cancel", operation: build, by }],
  ["cancel", { _tag: "Cancel", operation: restart, by }],
  ["cancel", { _tag: "Cancel", operation: configure, by }],
  ["cancel", { _tag: "Cancel", operation: resize, by }],
  ["cancel", { _tag: "Cancel", operation: stop, by }],
  ["cancel", { _tag: "Cancel", operation: start, by }],
  ["cancel", { _tag: "Cancel", operation: upgrade, by }],
  ["cancel", { _tag: "Cancel", operation: rebuild, by }],
  ["cancel", { _tag: "Cancel", operation: remove, by }],
  ["compensate", { _tag: "TakeBack", by }],
  ["retry", { _tag: "Retry", by }],
  ["defect", { _tag: "Defect", fault, command: null }]
]

const moment = { now: 1, fresh: "next", deadlines: defaultDeadlines }

export const diagram = (): string => {
  const arrows = new Set<string>()
  for (const state of states) {
    for (const [label, event] of events) {
      const next = decide(state, event, moment)?.state._tag
      if (next !== undefined && next !== state._tag) arrows.add(`    ${state._tag} --> ${next}: ${label}`)
    }
  }
  return `# The life of an instance

Made from \`src/actors/Lifecycle.ts\` by \`scripts/lifecycle-diagram.ts\`; a test keeps the two the same.
What is not drawn changes nothing. \`Building\`, \`Restarting\`, \`Configuring\`, \`Resizing\`, \`Stopping\`, \`Starting\`, \`Upgrading\`, \`Rebuilding\` and \`Deleting\` have a deadline, all other states are at rest.

\`\`\`mermaid
stateDiagram-v2
    [*] --> New
${[...arrows].join("\n")}
    Deleted --> [*]
\`\`\`

| state | the API shows |
|---|---|
| New, Building | BUILD |
| Restarting | REBOOT; a restart that failed is told in the history |
| Configuring | RESTART_REQUIRED until it is seen that none is; what is asked for meanwhile comes next |
| Resizing | RESIZE, also while one that was called off goes back to what was before; how it ended is told in the history |
| Active, whose server waits for a restart | RESTART_REQUIRED |
| Active | ACTIVE, and as operating_status what the guest was last seen to be |
| Stopping | SHUTDOWN; a stop that failed is told in the history, and leaves it in service |
| Stopped | SHUTDOWN, and as operating_status what the guest was last seen to be: SHUTDOWN |
| Starting | REBOOT; a start that failed is told in the history, and leaves it stopped |
| Deleting | SHUTDOWN, with an empty operating_status |
| Deleted | 404 |
| Failed | ERROR, with its fault |
| one that only a newer release knows | UNKNOWN ([why](decisions/0014-two-releases-at-once.md)) |

## What an operator can do

\`coffer operation cancel\`, \`retry\` and \`compensate\` are commands in the instance's mailbox, as a tenant's are: written in one
transaction with a line in the history that says who asked, handled once, by the machine above. Where they would change
nothing they are refused with 409, and why.

| state | cancel | compensate | retry |
|---|---|---|---|
| Building | the build ends in ERROR, and what it made is taken back | the same | refused: a step that failed tries again by itself, 30 seconds later at the most |
| Restarting | back in service | refused: a restart makes nothing | refused |
| Configuring | back in service; the next restart brings the group | refused: it makes nothing | refused |
| Resizing | it goes back to what it was, and is in service then; one that ended well at that very moment stays | refused: a cancel does that | refused |
| Resizing, called off | refused: it is called off | refused: it goes back by itself | refused |
| Stopping | brought back into service by a start, for it may have stopped already | refused: it makes nothing | refused |
| Starting | stopped | refused: it makes nothing | refused |
| Deleting | ERROR, from which it can be asked for again | refused: that is what a delete does | refused |
| Failed, while what was called off comes to its end | refused: it is called off | refused: it is being taken back | a delete is asked for again, and waits for that end; all others are refused until then |
| Failed, a build | refused | what is left of it is taken back | what is left of it is taken back, and it is built anew, under its own id |
| Failed, a delete | refused | what is left of it is taken back | it is asked for again |
| Failed, by a defect while in service | refused | refused: there is a database | back in service |
| Failed, by a defect while stopped | refused | refused: there is a database | stopped |
| New, Active, Stopped, Deleted | refused | refused | refused |

Nothing cuts off the attempt of a step that is in flight: it has a deadline of its own (at most three minutes, and a restart
or a configuration hears of it at once). After it there is no other one; a pause between two attempts ends within 5 seconds. A build that ended
well at that very moment is in service all the same.

## When a turn of an actor fails

A store or a cluster that is away is nobody's fault: the sweep tries again until it is back. Any other failure, as a command or
a state that cannot be read, or a bug, counts for this instance alone. It is tried again after 2, 4, 8, 16 and 32 seconds, each
time with a line in the history. After the sixth in a row the event \`defect\` comes: the instance goes to ERROR with the fault,
what was under way is called off, and the command at which it failed is set aside: kept in the mailbox with the reason, shown
by \`coffer operation show\`, and given to no actor any more. What came after it is handled then; so it can be deleted. The
count is in memory, and begins anew in a process that takes over: never more than six failures a minute, then at the most one
in five minutes where even ERROR cannot be reached.
`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(diagram())
