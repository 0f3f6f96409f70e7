/** What guests were last seen to be, in memory: the part of MemoryStore that is the twin of PgObservations. */
import { Effect, Option } from "effect"
import type { InstanceId } from "../../services/Ids.ts"
import { maxBackupReports, Observations, type Written } from "../../services/Observations.ts"
import { quietStates } from "../../services/Status.ts"
import type { MemoryRows } from "./MemoryRows.ts"

const isNewer = (sent: number | null, last: number | undefined) => sent === null || last === undefined || sent > last
const newest = (sent: number | null, last = Number.NEGATIVE_INFINITY) =>
  Math.max(sent ?? Number.NEGATIVE_INFINITY, last)

export const makeMemoryObservations = ({ all, change, rows }: MemoryRows) => {
  /** Of these a guest is expected. */
  const guestOf = (id: string) => {
    const row = rows.get(id)
    return row !== undefined && !quietStates.includes(row.state._tag) ? row : undefined
  }
  const note = (id: string, method: string, sent: number | null) => {
    const row = guestOf(id)
    if (row === undefined || !isNewer(sent, row.noted.get(method))) return undefined
    row.noted.set(method, newest(sent, row.noted.get(method)))
    return row
  }

  return Observations.of({
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
        all()
          .flatMap((row) => (row.state._tag === "Active" && row.observed !== null ? [{ row, seen: row.observed }] : []))
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
}
