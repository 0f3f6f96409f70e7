/**
 * Mutations of the code that are known to be bad: each is a bug that somebody could write, and that the simulation has
 * to notice. Applied to a copy of the code, never to the code.
 */

export interface Mutation {
  /** What it breaks, in words. */
  readonly what: string
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** The operation whose crash points show it; without it, seeds do. */
  readonly operation?: string
  /** From which seed on it is looked for, where the first ones do not show it. */
  readonly seed?: number
}

export const mutations: ReadonlyArray<Mutation> = [
  {
    what: "an older release that gives up what it cannot read",
    file: "src/actors/Failing.ts",
    find: "(isLeft ? leave(cause) : failed(cause, at))",
    replace: "(isLeft ? failed(cause, at) : failed(cause, at))"
  },
  {
    what: "a teardown that forgets the address",
    file: "src/actors/Teardown.ts",
    find: "Effect.flatMap(Placements, (placements) => placements.release(id))",
    replace: "Effect.asVoid(Effect.flatMap(Placements, (placements) => placements.find(id)))"
  },
  {
    what: "a place that is looked for in all zones",
    file: "src/services/Placing.ts",
    find: "|| (zone ?? host.zone) !== host.zone) return",
    replace: "|| zone === host.name) return"
  },
  {
    what: "a command that is not marked handled",
    file: "src/layers/memory/MemoryLifecycles.ts",
    find: "if (commit.handled.includes(letter.seq)) letter.handled = now",
    replace: 'if (commit.handled.includes(letter.seq)) letter.handled = letter.key === "create" ? null : now'
  },
  {
    what: "a sweep that wakes nobody",
    file: "src/actors/Taskmanager.ts",
    find: "new Set([...missed, ...underWay])",
    replace: "new Set([...missed, ...underWay].slice(0, 0))"
  },
  {
    what: "a build that succeeds before its guest says so",
    file: "src/actors/InstanceActor.ts",
    find: "const verdict = isReady(observed.value)",
    replace: "const verdict = !failed || isReady(observed.value)"
  },
  {
    what: "a compensation that goes on behind what could not be removed",
    file: "src/actors/BuildInstance.ts",
    find: "if (!(yield* takeBack(operation, { name, execute }))) break",
    replace: "yield* takeBack(operation, { name, execute })"
  },
  {
    what: "a delete that does not call off what ran before",
    file: "src/actors/DeleteInstance.ts",
    find: "if (before.length > 0) yield* callOff(operation, before)",
    replace: "if (before.length > 100) yield* callOff(operation, before)"
  },
  {
    what: "a delete that keeps the quota",
    file: "src/layers/memory/MemoryInstances.ts",
    find: "row.hold = null\n        row.more = null\n        row.desired",
    replace: "row.desired"
  },
  {
    what: "a guest that starts its server again and again with what it does not start with",
    file: "src/guest/Overriding.ts",
    find: "yield* startWith(good, 0)",
    replace: "yield* startWith(wanted, 0)",
    operation: "a restart with a group with which no server starts"
  },
  {
    what: "a group that is with the guest, and nobody asks the server to take",
    file: "src/actors/ConfigureInstance.ts",
    find: "    yield* applyConfiguration(operation)\n",
    replace: "",
    seed: 100
  },
  {
    what: "one outcome for all operations of an instance",
    file: "src/actors/InstanceMailbox.ts",
    find: "const outcomeKey = ({ operation }: Operation) =>",
    replace: "const outcomeKey = ({ instance: operation }: Operation) =>"
  },
  {
    what: "the end of a step that is written once or never",
    file: "src/actors/Operation.ts",
    find: "times: endTries",
    replace: "times: 0"
  },
  {
    what: "an operation that leaves open what a process before it began",
    file: "src/layers/memory/MemoryHistory.ts",
    find: "const isMeant = (entry: StepEntry) => entry.operation === operation",
    replace: "const isMeant = (entry: StepEntry) => entry.operation === operation && entry.attempt < 0"
  },
  {
    what: "a tenant who is shown everybody's instances",
    file: "src/layers/memory/MemoryInstances.ts",
    find: 'Option.filter((row) => scope === "any" || row.desired.project === scope.project),',
    replace: 'Option.filter((row) => scope === "any" || row.desired.project !== ""),'
  },
  {
    what: "a statement of the workflow engine that is tried once",
    file: "src/layers/cluster/SteadyStorage.ts",
    find: "Effect.retry(effect, { times, schedule: pause })",
    replace: "Effect.retry(effect, { times: times * 0, schedule: pause })",
    seed: 150
  },
  {
    what: "a history that is shown to everybody",
    file: "src/http/instances/HistoryRoutes.ts",
    find: "yield* requests.get(scopeOf(caller), params.instance)",
    replace: 'yield* requests.get("any", params.instance)'
  },
  {
    what: "a list of another tenant's instances",
    file: "src/http/instances/InstancesRoutes.ts",
    find: "yield* requests.list(project, pageOf(query))",
    replace: 'yield* requests.list(project.replace("one", "two") as typeof project, pageOf(query))'
  },
  {
    what: "a restart that is accepted and not written",
    file: "src/layers/memory/MemoryInstances.ts",
    find: '{ _tag: "Restart" }, now)',
    replace: '{ _tag: "Restart" }, now)\n      row.mailbox.pop()'
  },
  {
    what: "a guest that says that its server has stopped, and lets it run",
    file: "src/guest/Switching.ts",
    find: "Effect.onError(stopServer, () =>",
    replace: "Effect.onError(Effect.void, () =>"
  },
  {
    what: "an operator's word that is accepted and not written",
    file: "src/actors/OperatorRequests.ts",
    find: "yield* lifecycles.request(id, { generation, key, command, line })",
    replace: "yield* lifecycles.posted(id, line)"
  },
  {
    what: "a rebuild that is accepted and not written",
    file: "src/actors/RebuildRequests.ts",
    find: "yield* lifecycles.request(id, { generation, key, command: rebuild, line })",
    replace: "if (key !== line) return true"
  },
  {
    what: "a guest that keeps which logs are on, and starts its server without them",
    file: "src/guest/Logging.ts",
    find: "...Object.fromEntries((yield* switchedOn).map(({ names, on }) => [names[0], on]))",
    replace: "...(yield* Effect.succeed({}))"
  },
  {
    what: "a guest that begins with an order before it has kept it",
    file: "src/guest/CarryingOut.ts",
    find: 'yield* insist(notes.keepOrder(order), tellDisk)\n      yield* insist(notes.setPhase("preparing"), tellDisk)',
    replace:
      'yield* insist(notes.setPhase("preparing"), tellDisk)\n      yield* insist(notes.keepOrder(order), tellDisk)',
    operation: "a create"
  },
  {
    what: "a guest that has failed for good before it has told why",
    file: "src/guest/CarryingOut.ts",
    find: "yield* failed(message)\n",
    replace: 'yield* Effect.ignore(notes.setPhase("failed"))\n        yield* failed(message)\n',
    operation: "a create that fails"
  },
  {
    what: "a report that is acknowledged before it is written",
    file: "src/services/Conductor.ts",
    find: "yield* handOver(make(subject))",
    replace: "yield* Effect.forkDetach(handOver(make(subject)))",
    operation: "a create that fails"
  }
]
