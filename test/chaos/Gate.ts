/**
 * Where an operation stands is known to the moment: a trigger on the table of the history holds whoever writes the line
 * of a chosen step, when it is begun (nothing of it is done yet) or when it is done (all of it is). Nothing in the
 * product knows of it.
 */
import { Schema } from "effect"
import { Client } from "pg"
import { eventually } from "../e2e/api.ts"
import { withPostgres } from "../e2e/logins.ts"

/** Whoever is held waits for this advisory lock, which nobody else uses. */
const lock = 7_210_721

export type Side = "before" | "after"

export interface Label {
  readonly step: string
  readonly side: Side
  /** The operation that comes by it. */
  readonly by: "build" | "restart" | "delete"
}

const steps = {
  build: ["allocate an address", "create the server", "hand the order to the guest", "wait for the database", "report"],
  restart: ["restart the database", "report"],
  delete: [
    "take back the guest's access",
    "remove the server",
    "release the address",
    "forget what was known of the guest",
    "report"
  ]
} as const

/** Every step of every operation that tenants ask for, from both sides. */
export const labels: ReadonlyArray<Label> = (["build", "restart", "delete"] as const).flatMap((by) =>
  steps[by].flatMap((step) => (["before", "after"] as const).map((side) => ({ by, step, side })))
)

const Waiting = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ name: Schema.String })))

const script = `
  CREATE TABLE IF NOT EXISTS chaos_gate (operation text, step text, side text);
  CREATE OR REPLACE FUNCTION chaos_gate() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.entry ->> 'kind' = 'step' AND EXISTS (
      SELECT FROM chaos_gate gate WHERE gate.step = NEW.entry ->> 'step' AND gate.operation = NEW.entry ->> 'operationName'
        AND gate.side = CASE NEW.entry ->> 'outcome' WHEN 'running' THEN 'before' WHEN 'done' THEN 'after' END
    ) THEN
      PERFORM pg_advisory_xact_lock_shared(${lock});
    END IF;
    RETURN NULL;
  END $$;
  CREATE OR REPLACE TRIGGER chaos_gate AFTER INSERT OR UPDATE ON history FOR EACH ROW EXECUTE FUNCTION chaos_gate();`

export const install = (url: string) => withPostgres(url, (query) => query(script))

export interface Armed {
  /** The name of the session that is held, once there is one. */
  readonly held: (within: number) => Promise<string>
  /** Everybody goes on. */
  readonly open: () => Promise<void>
}

/** From now on whoever comes by that label is held there. */
export const arm = async (url: string, { by, side, step }: Label): Promise<Armed> => {
  const holder = new Client({ connectionString: url })
  holder.on("error", () => {})
  await holder.connect()
  await holder.query("SELECT pg_advisory_lock($1)", [lock])
  await holder.query("INSERT INTO chaos_gate VALUES ($1, $2, $3)", [by, step, side])
  return {
    held: (within) =>
      withPostgres(url, (query) =>
        eventually(
          `an operation comes ${side} "${step}"`,
          async () => {
            const found = await query(`SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
              WHERE locktype = 'advisory' AND NOT granted AND objid = ${lock}`)
            return Waiting(found)[0]?.name ?? null
          },
          within
        )
      ),
    open: async () => {
      await holder.query("TRUNCATE chaos_gate").catch(() => null)
      await holder.end()
    }
  }
}
