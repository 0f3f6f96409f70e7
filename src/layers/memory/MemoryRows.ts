/** What the store in memory keeps of each instance, for its parts: what the tables of layers/postgres are. */
import { Effect } from "effect"
import type { Command, State } from "../../actors/Instance.ts"
import type { Failures } from "../../actors/Lifecycles.ts"
import type { RootRecord } from "../../services/AllInstances.ts"
import type { BackupReport, ServiceStatus } from "../../services/ConductorApi.ts"
import type { Entry } from "../../services/History.ts"
import type { Desired } from "../../services/Instances.ts"
import { nextKind } from "../../services/MailKeys.ts"
import type { Provisioning } from "../../services/Provisioning.ts"

interface Letter {
  readonly seq: number
  readonly key: string
  readonly command: Command
  readonly posted: number
  handled: number | null
  setAside: { readonly at: number; readonly reason: string } | null
}

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
export interface Rows {
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

/** The command `what` that was asked for in the state that it is in. */
export const asked = (row: Rows, what: string) =>
  row.mailbox.find(({ key }) => key === `${what}:${row.generation}`)?.command._tag ?? null

export const has = (row: Rows, what: string) => asked(row, what) !== null

/** Of what is to be done next, one waits. */
export const isAsked = (row: Rows) =>
  row.mailbox.some(({ handled, key }) => handled === null && [nextKind, "resize"].includes(key.split(":")[0] ?? ""))

export const makeMemoryRows = () => {
  const rows = new Map<string, Rows>()
  let sequence = 0
  return {
    rows,
    all: () => [...rows.values()],
    change: (id: string, f: (row: Rows) => void) =>
      Effect.sync(() => {
        const row = rows.get(id)
        if (row !== undefined) f(row)
      }),
    /** Puts a command into its mailbox, once. */
    letter: (row: Rows, key: string, command: Command, posted: number) => {
      if (row.mailbox.some((letter) => letter.key === key)) return
      row.mailbox.push({ seq: ++sequence, key, command, posted, handled: null, setAside: null })
    }
  }
}

export type MemoryRows = ReturnType<typeof makeMemoryRows>
