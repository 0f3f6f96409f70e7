/** Prints docs/lifecycle.md: the machine, asked for every state and event, as a diagram. */
import { pathToFileURL } from "node:url"
import type { Event, State } from "../src/actors/Instance.ts"
import { decide, defaultDeadlines } from "../src/actors/Lifecycle.ts"
import { operationId } from "../src/services/Ids.ts"

const build = operationId("build", "b")
const restart = operationId("restart", "r")
const remove = operationId("delete", "d")
const fault = { message: "", details: null, at: 0 }

const states: ReadonlyArray<State> = [
  { _tag: "New" },
  { _tag: "Building", operation: build, deadline: 0 },
  { _tag: "Active" },
  { _tag: "Restarting", operation: restart, deadline: 0 },
  { _tag: "Deleting", operation: remove, deadline: 0, previous: null },
  { _tag: "Failed", fault, previous: build },
  { _tag: "Failed", fault, previous: remove },
  { _tag: "Deleted", at: 0 }
]

const events: ReadonlyArray<readonly [label: string, event: Event]> = [
  ["create", { _tag: "Create" }],
  ["restart", { _tag: "Restart" }],
  ["delete", { _tag: "Delete" }],
  ["build succeeded", { _tag: "OperationSucceeded", operation: build }],
  ["restart succeeded", { _tag: "OperationSucceeded", operation: restart }],
  ["delete succeeded", { _tag: "OperationSucceeded", operation: remove }],
  ["build failed", { _tag: "OperationFailed", operation: build, fault }],
  ["restart failed", { _tag: "OperationFailed", operation: restart, fault }],
  ["delete failed", { _tag: "OperationFailed", operation: remove, fault }],
  ["deadline passed", { _tag: "DeadlinePassed" }]
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
What is not drawn changes nothing. \`Building\`, \`Restarting\` and \`Deleting\` have a deadline, all other states are at rest.

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
| Active | ACTIVE, and as operating_status what the guest was last seen to be |
| Deleting | SHUTDOWN |
| Deleted | 404 |
| Failed | ERROR, with its fault |
`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(diagram())
