/** The lives of instances, and their mail, in memory: the part of MemoryStore that is the twin of PgLifecycles. */
import { Clock, Effect, Option, Schema } from "effect"
import { State } from "../../actors/Instance.ts"
import { Lifecycles, maxSetAside, noFailures, readMail, readState, StaleGeneration } from "../../actors/Lifecycles.ts"
import { deadlineOf, operationsOf, resizeOf } from "../../actors/Work.ts"
import { maxEntries } from "../../services/History.ts"
import { OperationId } from "../../services/Ids.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { resized } from "../../services/Resizes.ts"
import { type StoredState, stateNamed } from "../../services/Status.ts"
import { isAsked, type MemoryRows } from "./MemoryRows.ts"

/** What was written may be of no known kind, as in a table: it is read when it is loaded. */
const isState = Schema.is(State)
const isOperation = Schema.is(OperationId)

/** `forget`: what else the store keeps of an instance that is gone for good. */
export const makeMemoryLifecycles = ({ all, change, letter, rows }: MemoryRows, forget: (id: string) => void) =>
  Lifecycles.of({
    load: (id) =>
      Effect.gen(function* () {
        const row = rows.get(id)
        if (row === undefined) return Option.none()
        const letters = row.mailbox.filter((letter) => letter.handled === null)
        const state = yield* readState(row.state)
        const { failures, generation } = row
        const waitsSince = letters[0]?.posted ?? null
        return Option.some({ state, generation, failures, waitsSince, ...readMail(letters) })
      }),
    noteFailure: Effect.fnUntraced(function* (id) {
      const at = yield* Clock.currentTimeMillis
      const row = rows.get(id)
      if (row === undefined) return 0
      row.failures = { count: row.failures.count + 1, at }
      return row.failures.count
    }),
    setFailures: (id, count) =>
      change(id, (row) => {
        row.failures = count === 0 ? noFailures : { ...row.failures, count }
      }),
    salvage: (id) =>
      Effect.sync(() =>
        Option.map(Option.fromNullishOr(rows.get(id)), ({ generation, state }) => {
          const named = "operation" in state ? state.operation : "previous" in state ? state.previous : null
          return { tag: state._tag, generation, operation: isOperation(named) ? named : null }
        })
      ),
    commit: Effect.fnUntraced(function* (id, commit) {
      const now = yield* Clock.currentTimeMillis
      const row = rows.get(id)
      if (row === undefined || row.generation !== commit.generation) {
        return yield* new StaleGeneration({ id, generation: commit.generation })
      }
      if (row.state._tag !== commit.state._tag) row.since = now
      row.state = commit.state
      row.generation++
      for (const letter of row.mailbox) if (commit.handled.includes(letter.seq)) letter.handled = now
      for (const { reason, seq } of commit.setAside ?? []) {
        for (const letter of row.mailbox) {
          if (letter.seq === seq) Object.assign(letter, { handled: now, setAside: { at: now, reason } })
        }
      }
      const aside = row.mailbox.filter(({ setAside }) => setAside !== null)
      const tooMany = new Set(aside.slice(0, -maxSetAside))
      row.mailbox = row.mailbox.filter((letter) => !tooMany.has(letter))
      if (commit.transition !== null) {
        row.history.push({ key: null, entry: { kind: "transition", at: now, ...commit.transition } })
        row.desired = { ...row.desired, updated: now }
        if (deadlineOf(commit.state) === null) row.history = row.history.slice(-maxEntries)
      }
      if (commit.version !== undefined) row.desired = { ...row.desired, datastoreVersion: commit.version }
      if (commit.state._tag === "Deleted") row.observed = null
      if (commit.state._tag === "Active" && row.hold !== null) row.hold = "committed"
      if (commit.resized !== undefined) row.desired = resized(row.desired, commit.resized)
      const isAsked = row.mailbox.some(({ command, handled }) => command._tag === "Resize" && handled === null)
      if (resizeOf(commit.state) === null && !isAsked) row.more = null
    }),
    post: Effect.fnUntraced(function* (id, key, command) {
      const now = yield* Clock.currentTimeMillis
      yield* change(id, (row) => letter(row, key, command, now))
    }),
    request: Effect.fnUntraced(function* (id, { command, generation, key, line }) {
      const now = yield* Clock.currentTimeMillis
      const row = rows.get(id)
      if (row?.generation !== generation) return yield* new StaleGeneration({ id, generation })
      if (row.mailbox.some((letter) => letter.key === key)) return
      if (key.startsWith(`${nextKind}:`) && isAsked(row)) return
      letter(row, key, command, now)
      row.history.push({ key: null, entry: { kind: "report", at: now, text: line } })
    }),
    desired: (id) => Effect.sync(() => Option.map(Option.fromNullishOr(rows.get(id)), (row) => row.desired)),
    overdue: ({ limit, mailBefore, now }) =>
      Effect.sync(() =>
        all()
          .filter((row) => {
            const deadline = deadlineOf(row.state)
            return (
              (deadline !== null && deadline < now) ||
              row.mailbox.some((letter) => letter.handled === null && letter.posted < mailBefore)
            )
          })
          .slice(0, limit)
          .map((row) => row.desired.id)
      ),
    underWay: (limit) =>
      Effect.sync(() =>
        all()
          .filter(({ state }) => deadlineOf(state) !== null || (state._tag === "Failed" && state.previous !== null))
          .slice(0, limit)
          .map((row) => row.desired.id)
      ),
    posted: (id, key) =>
      Effect.sync(() => Option.fromNullishOr(rows.get(id)?.mailbox.find((letter) => letter.key === key)?.command)),
    unsettled: (limit) =>
      Effect.sync(() =>
        all()
          .filter(({ state }) => deadlineOf(state) !== null || state._tag === "Failed")
          .toSorted((a, b) => a.since - b.since || (a.desired.id < b.desired.id ? -1 : 1))
          .slice(0, limit)
          .map(({ desired: { id, name, project }, since, state }) => ({
            instance: id,
            name,
            project,
            state: isState(state) ? state : null,
            since
          }))
      ),
    setAside: (id) =>
      Effect.sync(() =>
        (rows.get(id)?.mailbox ?? []).flatMap(({ key, posted, setAside }) =>
          setAside === null ? [] : [{ key, posted, setAside: setAside.at, reason: setAside.reason }]
        )
      ),
    count: Effect.sync(() => {
      const counts = new Map<StoredState, number>()
      for (const { state } of rows.values()) {
        const shown = stateNamed(state._tag)
        counts.set(shown, (counts.get(shown) ?? 0) + 1)
      }
      return counts
    }),
    prune: (before, limit) =>
      Effect.sync(() => {
        const gone = all()
          .filter((row) => row.state._tag === "Deleted" && row.since < before)
          .slice(0, limit)
        for (const row of gone) {
          rows.delete(row.desired.id)
          forget(row.desired.id)
        }
        return gone.length
      }),
    pruneMail: (before, limit) =>
      Effect.sync(() => {
        const gone = new Set(
          all()
            .flatMap(({ mailbox, state }) =>
              mailbox.filter(
                ({ command, handled, setAside }) =>
                  handled !== null &&
                  handled < before &&
                  setAside === null &&
                  !("operation" in command && operationsOf(state).includes(command.operation))
              )
            )
            .slice(0, limit)
        )
        if (gone.size > 0) {
          for (const row of rows.values()) row.mailbox = row.mailbox.filter((letter) => !gone.has(letter))
        }
        return gone.size
      })
  })
