/** The taskmanagers as lines for a terminal, and as a document for another program. */
import type { ClusterStatus, Runner } from "../layers/cluster/ClusterStatus.ts"
import { table } from "../layers/config/terminalText.ts"
import { lengthOf } from "./lengths.ts"

const header = ["ADDRESS", "STATUS", "SHARDS", "ACTORS", "CONSUMED", "RUNS FOR"]

const orDash = (value: number | null) => (value === null ? "-" : String(value))

const line = ({ actors, address, alive, consumed, shards, silentFor, startedFor }: Runner) => [
  address,
  alive ? "alive" : `gone for ${lengthOf(silentFor)}`,
  String(shards),
  alive ? orDash(actors) : "-",
  alive && consumed !== null ? `${consumed}/min` : "-",
  alive && startedFor !== null ? lengthOf(startedFor) : "-"
]

const counted = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`

export const renderCluster = ({ mail, operations, runners }: ClusterStatus): string => {
  const waiting =
    mail.oldest === null
      ? "No command waits."
      : `${counted(mail.waiting, "command waits", "commands wait")}, the oldest for ${lengthOf(mail.oldest)}.`
  const working =
    operations.oldest === null
      ? "No operation is under way."
      : `${counted(operations.underWay, "operation is", "operations are")} under way, the oldest for ${lengthOf(operations.oldest.runsFor)}: ${operations.oldest.instance} (${operations.oldest.state}).`
  const who = runners.length === 0 ? "No taskmanager has been started yet." : table([header, ...runners.map(line)])
  return `${who}\n\n${waiting}\n${working}`
}

const secondsOf = (millis: number | null) => (millis === null ? null : Math.round(millis) / 1000)

export const clusterDocument = ({ mail, operations, runners }: ClusterStatus) => ({
  taskmanagers: runners.map(({ actors, address, alive, consumed, shards, silentFor, startedFor }) => ({
    address,
    alive,
    silent_seconds: secondsOf(silentFor),
    runs_seconds: secondsOf(startedFor),
    shards,
    actors,
    consumed_last_minute: consumed
  })),
  mail: { waiting: mail.waiting, oldest_seconds: secondsOf(mail.oldest) },
  operations: {
    under_way: operations.underWay,
    oldest:
      operations.oldest === null
        ? null
        : {
            instance: operations.oldest.instance,
            state: operations.oldest.state,
            seconds: secondsOf(operations.oldest.runsFor)
          }
  }
})
