/**
 * What tenants asked for and were promised: the other side of every question whether something was lost. An instance is
 * entered before it is ordered, so that one whose order was neither accepted nor refused is found by its name.
 */

import type { Instance } from "../e2e/api.ts"
import { postgres } from "../e2e/logins.ts"
import { type Client, database, password, user } from "./Client.ts"
import { errorText } from "./wording.ts"

export interface Entry {
  readonly name: string
  readonly client: Client
  id: string | null
  /** Restarts that were accepted, and such of which nobody knows. */
  restarts: number
  perhaps: number
  /** What its tenant wrote into it, once that was confirmed. */
  row: string | null
  address: string
  isDeleted: boolean
  /** Its failure was told to its tenant, with this reason. */
  fault: string | null
}

export type Settled =
  | { readonly is: "serving"; readonly entry: Entry }
  | { readonly is: "gone" }
  | { readonly is: "failed"; readonly fault: string }
  | { readonly is: "waiting"; readonly why: string }
  | { readonly is: "lost"; readonly why: string }

const login = ({ address }: Entry) => ({ user, password, database, address })

export const write = async (entry: Entry) => {
  await postgres(
    login(entry),
    `CREATE TABLE IF NOT EXISTS kept (what text PRIMARY KEY); INSERT INTO kept VALUES ('${entry.name}') ON CONFLICT DO NOTHING`
  )
  entry.row = entry.name
}

/** Null when what was written is there; else what was found instead. */
export const readBack = async (entry: Entry): Promise<string | null> => {
  const found = JSON.stringify(await postgres(login(entry), "SELECT what FROM kept"))
  return found === JSON.stringify([{ what: entry.row }]) ? null : `holds ${found}`
}

/** Whether a client can log in. */
export const serves = (entry: Entry) =>
  postgres(login(entry), "SELECT 1").then(
    () => true,
    () => false
  )

const describe = ({ operating_status, status }: Instance) => `${status}, ${operating_status}`

/** Where it stands: at rest, or what it waits for. */
export const look = async (entry: Entry): Promise<Settled> => {
  if (entry.id === null) {
    const found = await entry.client.named(entry.name)
    if (found === null) return { is: "waiting", why: "no API answers" }
    if (found === undefined) return { is: "gone" }
    entry.id = found.id
  }
  const shown = await entry.client.show(entry.id)
  if (shown === null) return { is: "waiting", why: "no API answers" }
  if (shown === "gone") {
    return entry.isDeleted ? { is: "gone" } : { is: "lost", why: "it is gone, and nobody deleted it" }
  }
  if (shown.status === "ERROR") {
    entry.fault = shown.fault?.message ?? "no reason is given"
    return { is: "failed", fault: entry.fault }
  }
  if (entry.isDeleted || shown.status !== "ACTIVE" || shown.operating_status !== "HEALTHY") {
    return { is: "waiting", why: `${entry.isDeleted ? "deleted, and still " : ""}${describe(shown)}` }
  }
  entry.address = shown.ip?.[0] ?? ""
  try {
    if (entry.row === null) await write(entry)
    const wrong = await readBack(entry)
    return wrong === null ? { is: "serving", entry } : { is: "waiting", why: wrong }
  } catch (error) {
    return { is: "waiting", why: `${describe(shown)}, and its client is told: ${errorText(error)}` }
  }
}
