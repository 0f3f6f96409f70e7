/**
 * The whole store in memory, for tests on virtual time: the twin of `layers/postgres`, held to it by the
 * conformance suite in `test/conformance/store.ts`.
 */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { type Command, State } from "../../actors/Instance.ts"
import {
  type Failures,
  Lifecycles,
  maxSetAside,
  noFailures,
  readMail,
  readState,
  StaleGeneration
} from "../../actors/Lifecycles.ts"
import { deadlineOf, operationsOf, resizeOf } from "../../actors/Work.ts"
import { Accesses } from "../../services/Accesses.ts"
import { AllInstances, type RootRecord } from "../../services/AllInstances.ts"
import type { BackupReport, ServiceStatus } from "../../services/ConductorApi.ts"
import { CatalogStore } from "../../services/catalog/CatalogStore.ts"
import { Configurations } from "../../services/configuration/Configurations.ts"
import { UpgradeOrders } from "../../services/DatastoreUpgrades.ts"
import { GuestHostDirectory } from "../../services/GuestHostDirectory.ts"
import {
  type Entry,
  History,
  maxEntries,
  maxReports,
  type StepEntry,
  type StepStart,
  stepKey
} from "../../services/History.ts"
import { type InstanceId, OperationId, type ProjectId } from "../../services/Ids.ts"
import {
  type Desired,
  type InstanceRecord,
  Instances,
  type PageWanted,
  QuotaExceeded,
  type Resource
} from "../../services/Instances.ts"
import { AuditStore } from "../../services/Inventories.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { maxBackupReports, Observations, type Written } from "../../services/Observations.ts"
import { type Placement, Placements } from "../../services/Placements.ts"
import { localHost, type StandingHost } from "../../services/Placing.ts"
import { type Provisioning, ProvisioningStore } from "../../services/Provisioning.ts"
import { amountOf, defaultLimits, exceededBy, Quotas, resources, type Usage } from "../../services/Quotas.ts"
import { moreOf, Resizes, resized } from "../../services/Resizes.ts"
import { isInService, quietStates, type StoredState, shownState, stateNamed } from "../../services/Status.ts"
import { Switching } from "../../services/Switching.ts"
import { makeMemoryAccesses } from "./MemoryAccesses.ts"
import { makeMemoryAllInstances } from "./MemoryAllInstances.ts"
import { makeMemoryAuditStore } from "./MemoryAuditStore.ts"
import { makeMemoryCatalogStore } from "./MemoryCatalogStore.ts"
import { makeMemoryConfigurations } from "./MemoryConfigurations.ts"
import { makeMemoryPlacements } from "./MemoryPlacements.ts"
import { makeMemorySwitching } from "./MemorySwitching.ts"
import { makeMemoryUpgradeOrders } from "./MemoryUpgradeOrders.ts"
import * as MemoryUpgrades from "./MemoryUpgrades.ts"

interface Letter {
  readonly seq: number
  readonly key: string
  readonly command: Command
  readonly posted: number
  handled: number | null
  setAside: { readonly at: number; readonly reason: string } | null
}

/** What was written may be of no known kind, as in a table: it is read when it is loaded. */
const isState = Schema.is(State)
const isOperation = Schema.is(OperationId)

interface Seen {
  readonly status: ServiceStatus
  readonly sent: number
  readonly heartbeatAt: number
  readonly silent: boolean
  readonly failure: string | null
}

interface KnownBackup {
  readonly sent: number
  readonly report: BackupReport
}

/** Everything that the tables hold of one instance, a property a table. */
interface Rows {
  desired: Desired
  deleteRequested: boolean
  state: State
  since: number
  generation: number
  failures: Failures
  mailbox: Array<Letter>
  observed: Seen | null
  /** When its guest told last, by method. */
  readonly noted: Map<string, number>
  readonly backups: Map<string, KnownBackup>
  history: Array<{ readonly key: string | null; readonly entry: Entry }>
  hold: "reserved" | "committed" | null
  /** Beyond that, for a resize. */
  more: { readonly ram: number; readonly volumes: number } | null
  provisioning: Provisioning | null
  root: RootRecord | null
}

/** Closes the steps that are meant and open still. */
const closeSteps =
  (isMeant: (entry: StepEntry, key: string | null) => boolean, end: Partial<StepEntry>) => (row: Rows) => {
    row.history = row.history.map((line) =>
      line.entry.kind === "step" && line.entry.outcome === "running" && isMeant(line.entry, line.key)
        ? { ...line, entry: { ...line.entry, ...end } }
        : line
    )
  }

const make = (standing: ReadonlyArray<StandingHost>) =>
  Effect.sync(() => {
    const rows = new Map<string, Rows>()
    const places = new Map<string, Placement>()
    const limits = new Map<string, Partial<Record<Resource, number>>>()
    let sequence = 0
    const live = (id: string) =>
      Option.filter(Option.fromNullishOr(rows.get(id)), (row) => row.state._tag !== "Deleted")
    const change = (id: string, f: (row: Rows) => void) =>
      Effect.sync(() => {
        const row = rows.get(id)
        if (row !== undefined) f(row)
      })
    const letter = (row: Rows, key: string, command: Command, posted: number) => {
      if (row.mailbox.some((letter) => letter.key === key)) return
      row.mailbox.push({ seq: ++sequence, key, command, posted, handled: null, setAside: null })
    }

    const asked = (row: Rows, command: string) =>
      row.mailbox.find(({ key }) => key === `${command}:${row.generation}`)?.command._tag ?? null
    const has = (row: Rows, command: string) => asked(row, command) !== null
    /** Of what is to be done next, one waits. */
    const isAsked = (row: Rows) =>
      row.mailbox.some(({ handled, key }) => handled === null && [nextKind, "resize"].includes(key.split(":")[0] ?? ""))
    const groups = makeMemoryConfigurations((id) => {
      const row = rows.get(id)
      return row === undefined
        ? undefined
        : {
            desired: row.desired,
            state: row.state,
            deleteRequested: row.deleteRequested,
            restartRequested: has(row, nextKind) || has(row, "resize"),
            touch: (updated) => {
              row.desired = { ...row.desired, updated }
            },
            post: (command, now) => letter(row, `configure:${row.generation}`, command, now)
          }
    })

    const accesses = makeMemoryAccesses((id) => {
      const row = rows.get(id)
      return row === undefined
        ? undefined
        : {
            tag: row.state._tag,
            deleteRequested: row.deleteRequested,
            access: row.desired.access,
            setAccess: (access, updated) => {
              row.desired = { ...row.desired, access, updated }
            },
            post: (command, now) => letter(row, `configure:${row.generation}`, command, now)
          }
    })

    const toRecord = (row: Rows): InstanceRecord => ({
      desired: row.desired,
      state: shownState(
        row.state._tag,
        {
          delete: row.deleteRequested,
          now: asked(row, row.state._tag === "Failed" ? "delete" : nextKind),
          configure: has(row, "configure"),
          resize: has(row, "resize")
        },
        {
          restartRequired: "restartRequired" in row.state && row.state.restartRequired === true,
          restart: "restart" in row.state && row.state.restart === true,
          stop: "stop" in row.state && row.state.stop === true,
          resize: "resize" in row.state
        }
      ),
      fault: row.state._tag === "Failed" ? row.state.fault : null,
      stateSince: row.since,
      observed: row.observed === null ? null : { status: row.observed.status, heartbeatAt: row.observed.heartbeatAt },
      address: places.get(row.desired.id)?.address ?? null,
      configuration: groups.shown(row.desired.id)
    })

    const usage = (project: ProjectId): ReadonlyArray<Usage> => {
      const mine = [...rows.values()].filter((row) => row.desired.project === project)
      const held = (resource: Resource, hold: Rows["hold"]) =>
        mine.filter((row) => row.hold === hold).reduce((sum, row) => sum + amountOf(row.desired)[resource], 0)
      const more = (resource: Resource) =>
        resource === "ram" || resource === "volumes"
          ? mine.reduce((sum, row) => sum + (row.more === null ? 0 : row.more[resource]), 0)
          : 0
      return resources.map((resource) => ({
        resource,
        inUse: held(resource, "committed"),
        reserved: held(resource, "reserved") + more(resource),
        limit: limits.get(project)?.[resource] ?? defaultLimits[resource]
      }))
    }

    const pageOf = (project: ProjectId, { limit, marker }: PageWanted) => {
      const after = [...rows.values()]
        .filter((row) => row.desired.project === project && row.state._tag !== "Deleted")
        .filter((row) => row.desired.id > (marker ?? ""))
        .sort((a, b) => (a.desired.id < b.desired.id ? -1 : 1))
      const items = after.slice(0, limit).map(toRecord)
      return { items, next: after.length > limit ? (items.at(-1)?.desired.id ?? null) : null }
    }

    const instances = Instances.of({
      create: (desired, provisioning, configuration = null) =>
        Effect.suspend(() => {
          const exceeded = exceededBy(usage(desired.project), amountOf(desired))
          if (exceeded.length > 0) return Effect.fail(new QuotaExceeded({ resources: exceeded }))
          const row: Rows = {
            desired,
            deleteRequested: false,
            state: { _tag: "New" },
            since: desired.created,
            generation: 0,
            failures: noFailures,
            mailbox: [],
            observed: null,
            noted: new Map(),
            backups: new Map(),
            history: [],
            hold: "reserved",
            more: null,
            provisioning,
            root: null
          }
          rows.set(desired.id, row)
          if (configuration !== null) groups.attachNew(desired.id, configuration)
          letter(row, "create", { _tag: "Create" }, desired.created)
          return Effect.void
        }),
      requestDelete: Effect.fnUntraced(function* (id) {
        const now = yield* Clock.currentTimeMillis
        yield* change(id, (row) => {
          if (row.state._tag === "Deleting" || row.state._tag === "Deleted") return
          row.deleteRequested = true
          groups.detach(id)
          row.hold = null
          row.more = null
          row.desired = { ...row.desired, updated: now }
          letter(row, `delete:${row.generation}`, { _tag: "Delete" }, now)
        })
      }),
      requestRestart: Effect.fnUntraced(function* (id) {
        const now = yield* Clock.currentTimeMillis
        const row = rows.get(id)
        if (row === undefined || isAsked(row) || !isInService(toRecord(row).state)) return false
        row.desired = { ...row.desired, updated: now }
        letter(row, `${nextKind}:${row.generation}`, { _tag: "Restart" }, now)
        return true
      }),
      rename: Effect.fnUntraced(function* (id, name) {
        const updated = yield* Clock.currentTimeMillis
        yield* change(id, (row) => {
          row.desired = { ...row.desired, name, updated }
        })
      }),
      get: (scope, id) =>
        Effect.sync(() =>
          live(id).pipe(
            Option.filter((row) => scope === "any" || row.desired.project === scope.project),
            Option.map(toRecord)
          )
        ),
      list: (project, wanted) => Effect.sync(() => ({ ...pageOf(project, wanted), offer: 0 })),
      listDetail: (project, wanted) => Effect.sync(() => pageOf(project, wanted)),
      setRootEnabled: Effect.fnUntraced(function* (id, enabled, by) {
        const at = yield* Clock.currentTimeMillis
        yield* change(id, (row) => {
          row.root = { enabled, at, by }
        })
      }),
      rootEnabled: (id) =>
        Effect.sync(() => {
          const root = rows.get(id)?.root ?? null
          return root === null ? "never" : root.enabled ? "enabled" : "disabled"
        })
    })

    const switching = makeMemorySwitching((id) => {
      const row = rows.get(id)
      return row === undefined || isAsked(row)
        ? undefined
        : {
            state: toRecord(row).state,
            post: (command, now) => {
              row.desired = { ...row.desired, updated: now }
              letter(row, `${nextKind}:${row.generation}`, command, now)
            }
          }
    })

    const lifecycles = Lifecycles.of({
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
        letter(row, key, command, now)
        row.history.push({ key: null, entry: { kind: "report", at: now, text: line } })
      }),
      desired: (id) => Effect.sync(() => Option.map(Option.fromNullishOr(rows.get(id)), (row) => row.desired)),
      overdue: ({ limit, mailBefore, now }) =>
        Effect.sync(() =>
          [...rows.values()]
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
          [...rows.values()]
            .filter(({ state }) => deadlineOf(state) !== null || (state._tag === "Failed" && state.previous !== null))
            .slice(0, limit)
            .map((row) => row.desired.id)
        ),
      posted: (id, key) =>
        Effect.sync(() => Option.fromNullishOr(rows.get(id)?.mailbox.find((letter) => letter.key === key)?.command)),
      unsettled: (limit) =>
        Effect.sync(() =>
          [...rows.values()]
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
          const gone = [...rows.values()]
            .filter((row) => row.state._tag === "Deleted" && row.since < before)
            .slice(0, limit)
          for (const row of gone) {
            rows.delete(row.desired.id)
            places.delete(row.desired.id)
            groups.forget(row.desired.id)
          }
          return gone.length
        }),
      pruneMail: (before, limit) =>
        Effect.sync(() => {
          const gone = new Set(
            [...rows.values()]
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

    /** Of these a guest is expected. */
    const guestOf = (id: string) => {
      const row = rows.get(id)
      return row !== undefined && !quietStates.includes(row.state._tag) ? row : undefined
    }
    const isNewer = (sent: number | null, last: number | undefined) =>
      sent === null || last === undefined || sent > last
    const newest = (sent: number | null, last = Number.NEGATIVE_INFINITY) =>
      Math.max(sent ?? Number.NEGATIVE_INFINITY, last)
    const note = (id: string, method: string, sent: number | null) => {
      const row = guestOf(id)
      if (row === undefined || !isNewer(sent, row.noted.get(method))) return undefined
      row.noted.set(method, newest(sent, row.noted.get(method)))
      return row
    }

    const observations = Observations.of({
      record: (beats) =>
        Effect.sync(() => {
          const written: Array<Written> = []
          const byGuest = new Map<InstanceId, (typeof beats)[number]>()
          for (const beat of beats) {
            const rival = byGuest.get(beat.instance)
            if (rival?.sent === null && beat.sent !== null) continue
            if (isNewer(beat.sent, rival?.sent ?? undefined)) byGuest.set(beat.instance, beat)
          }
          for (const beat of byGuest.values()) {
            const row = guestOf(beat.instance)
            const before = row?.observed ?? null
            if (row === undefined || !isNewer(beat.sent, before?.sent)) continue
            row.observed = {
              status: beat.status,
              sent: newest(beat.sent, before?.sent),
              heartbeatAt: beat.receivedAt,
              silent: false,
              failure: before?.failure ?? null
            }
            const changed = before === null || before.status !== beat.status || before.silent
            written.push({ instance: beat.instance, status: beat.status, changed })
          }
          return written
        }),
      takeNote: (id, method, sent) => Effect.sync(() => note(id, method, sent) !== undefined),
      recordFailure: (id, failure, sent) =>
        Effect.sync(() => {
          const row = note(id, "failure", sent)
          if (row?.observed) row.observed = { ...row.observed, failure }
          return row !== undefined
        }),
      recordBackup: (id, backup, { report, sent }) =>
        Effect.sync(() => {
          const row = guestOf(id)
          const before = row?.backups.get(backup)
          if (row === undefined || !isNewer(sent, before?.sent)) return Option.none()
          const after = { sent: newest(sent, before?.sent), report: { ...before?.report, ...report } }
          row.backups.set(backup, after)
          const others = [...row.backups].filter(([id]) => id !== backup).sort(([, a], [, b]) => b.sent - a.sent)
          for (const [id] of others.slice(maxBackupReports - 1)) row.backups.delete(id)
          const { state } = after.report
          return state === before?.report.state ? Option.none() : Option.fromNullishOr(state)
        }),
      backup: (id, backup) => Effect.sync(() => Option.fromNullishOr(rows.get(id)?.backups.get(backup)?.report)),
      get: (id) => Effect.sync(() => Option.fromNullishOr(rows.get(id)?.observed)),
      silentSince: (before, limit) =>
        Effect.sync(() =>
          [...rows.values()]
            .flatMap((row) =>
              row.state._tag === "Active" && row.observed !== null ? [{ row, seen: row.observed }] : []
            )
            .filter(({ seen }) => !seen.silent && seen.heartbeatAt < before)
            .sort((a, b) => a.seen.heartbeatAt - b.seen.heartbeatAt)
            .slice(0, limit)
            .map(({ row, seen }) => {
              row.observed = { ...seen, silent: true }
              return row.desired.id
            })
        ),
      unmarkSilent: (instances) =>
        Effect.sync(() => {
          for (const id of instances) {
            const row = rows.get(id)
            if (row?.observed) row.observed = { ...row.observed, silent: false }
          }
        }),
      forget: (id) =>
        change(id, (row) => {
          row.observed = null
        })
    })

    const openStep = Effect.fnUntraced(function* (id: InstanceId, step: StepStart, again: 0 | 1) {
      const startedAt = yield* Clock.currentTimeMillis
      const key = stepKey(step)
      yield* change(id, (row) => {
        const opened = { ...step, endedAt: null, outcome: "running", error: null, detail: null } as const
        if (!row.history.some((line) => line.key === key)) {
          row.history.push({ key, entry: { kind: "step", ...opened, begun: 1, startedAt } })
          return
        }
        row.history = row.history.map((line) => {
          if (line.key !== key || line.entry.kind !== "step") return line
          const { begun, outcome } = line.entry
          const isOpen = outcome === "running" || outcome === "interrupted"
          return { ...line, entry: { ...line.entry, ...(isOpen ? opened : {}), begun: begun + again } }
        })
      })
    })

    const history = History.of({
      report: Effect.fnUntraced(function* (id, text) {
        const at = yield* Clock.currentTimeMillis
        yield* change(id, (row) => {
          const all = [...row.history, { key: null, entry: { kind: "report" as const, at, text } }]
          const reports = all.filter(({ entry }) => entry.kind === "report")
          const spared = new Set(reports.slice(0, -maxReports))
          row.history = all.filter((line) => !spared.has(line)).slice(-maxEntries)
        })
      }),
      stepStarted: (id, step) => openStep(id, step, 1),
      waitStarted: (id, step) => openStep(id, step, 0),
      stepEnded: Effect.fnUntraced(function* (id, { detail, error, outcome, ...step }) {
        const endedAt = yield* Clock.currentTimeMillis
        const isMeant = (_: StepEntry, key: string | null) => key === stepKey(step)
        yield* change(id, closeSteps(isMeant, { endedAt, outcome, error, detail, waitsFor: null }))
      }),
      operationEnded: Effect.fnUntraced(function* (id, operation) {
        const endedAt = yield* Clock.currentTimeMillis
        const isMeant = (entry: StepEntry) => entry.operation === operation
        yield* change(id, closeSteps(isMeant, { endedAt, outcome: "interrupted", waitsFor: null }))
      }),
      list: (id) =>
        Effect.sync(() =>
          (rows.get(id)?.history ?? []).flatMap(({ entry }) =>
            entry.kind !== "step" || isOperation(entry.operation) ? [entry] : []
          )
        )
    })

    const { directory, placements } = makeMemoryPlacements(
      {
        byInstance: places,
        ramOf: (id) => (rows.get(id)?.desired.ram ?? 0) + (rows.get(id)?.more?.ram ?? 0),
        isAwaited: (id) => ["New", "Building"].includes(rows.get(id)?.state._tag ?? "")
      },
      standing
    )

    const provisioning = ProvisioningStore.of({
      open: (id) => Effect.sync(() => rows.get(id)?.provisioning ?? { databases: [], users: [] }),
      forget: (id) =>
        change(id, (row) => {
          row.provisioning = null
        })
    })

    const quotas = Quotas.of({
      usage: (project) => Effect.sync(() => usage(project)),
      setLimits: (project, changed) =>
        Effect.sync(() => {
          limits.set(project, { ...limits.get(project), ...changed })
        }),
      release: (id) =>
        change(id, (row) => {
          row.hold = null
          row.more = null
        })
    })

    const upgradeOrders = makeMemoryUpgradeOrders((id) => {
      const row = rows.get(id)
      if (row === undefined || isAsked(row)) return undefined
      return {
        state: toRecord(row).state,
        groupVersion: groups.versionOf(id),
        post: (command, now) => {
          row.desired = { ...row.desired, updated: now }
          letter(row, `${nextKind}:${row.generation}`, command, now)
        }
      }
    })
    const resizes = Resizes.of({
      request: Effect.fnUntraced(function* (id, seen, target) {
        const now = yield* Clock.currentTimeMillis
        const row = rows.get(id)
        if (row === undefined || isAsked(row) || !isInService(toRecord(row).state)) return false
        if (row.desired.flavor !== seen.flavor || row.desired.volumeSize !== seen.volumeSize) return false
        const more = moreOf(row.desired, target)
        const exceeded = exceededBy(usage(row.desired.project), { instances: 0, backups: 0, ...more })
        if (exceeded.length > 0) return yield* new QuotaExceeded({ resources: exceeded })
        row.more = more
        row.desired = { ...row.desired, updated: now }
        letter(row, `resize:${row.generation}`, { _tag: "Resize", to: target }, now)
        return true
      })
    })

    const catalog = makeMemoryCatalogStore(
      (version) =>
        groups.isOf(version) ||
        [...rows.values()].some(
          ({ desired, mailbox, state }) =>
            (state._tag !== "Deleted" && desired.datastoreVersion === version) ||
            (state._tag === "Upgrading" && state.version === version) ||
            mailbox.some(
              ({ command, handled }) => handled === null && command._tag === "Upgrade" && command.version === version
            )
        )
    )

    const managed = makeMemoryAllInstances(() =>
      [...rows.values()].map((row) => ({
        record: toRecord(row),
        host: places.get(row.desired.id)?.host ?? null,
        root: row.root
      }))
    )

    const audited = makeMemoryAuditStore(() =>
      [...rows.values()].map((row) => ({
        instance: row.desired.id,
        state: row.state,
        since: row.since,
        deleteRequested: row.deleteRequested,
        hasMail: row.mailbox.some(({ handled }) => handled === null),
        history: row.history.map(({ entry }) => entry),
        host: places.get(row.desired.id)?.host ?? null,
        provisioning: row.provisioning !== null,
        observed: row.observed?.heartbeatAt ?? null,
        hold: row.hold !== null
      }))
    )

    return Context.make(Instances, instances).pipe(
      Context.add(Lifecycles, lifecycles),
      Context.add(Observations, observations),
      Context.add(History, history),
      Context.add(Placements, placements),
      Context.add(GuestHostDirectory, directory),
      Context.add(ProvisioningStore, provisioning),
      Context.add(Quotas, quotas),
      Context.add(Resizes, resizes),
      Context.add(AllInstances, managed),
      Context.add(AuditStore, audited),
      Context.add(Configurations, groups.configurations),
      Context.add(Switching, switching),
      Context.add(UpgradeOrders, upgradeOrders),
      Context.add(Accesses, accesses),
      Context.add(CatalogStore, catalog),
      Context.merge(MemoryUpgrades.make())
    )
  })

/** `standing`: the places for instances that need not report. */
export const layerOf = (standing: ReadonlyArray<StandingHost>) => Layer.effectContext(make(standing))

export const layer = layerOf([localHost("127.64.0.0/16")])
