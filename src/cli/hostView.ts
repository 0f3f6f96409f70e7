/** The hosts as lines for a terminal, and as a document for another program. */
import { Duration } from "effect"
import { table } from "../layers/config/terminalText.ts"
import { hostExpiry, type KnownHost } from "../services/GuestHostDirectory.ts"
import { lengthOf } from "./lengths.ts"

const isAlive = ({ reportedAt }: KnownHost, now: number) => now - reportedAt <= Duration.toMillis(hostExpiry)

const moment = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`

const header = ["NAME", "ZONE", "ADDRESSES", "MEMORY", "USED", "INSTANCES", "LAST REPORT", "STATUS"]

export const renderHosts = (hosts: ReadonlyArray<KnownHost>, now: number): string =>
  hosts.length === 0
    ? "No machine has reported yet. Let one in with: coffer host add"
    : table([
        header,
        ...hosts.map((host) => [
          host.name,
          host.zone,
          host.addresses,
          `${host.memoryMb} MB`,
          `${host.usedMb} MB`,
          String(host.instances),
          moment(host.reportedAt),
          isAlive(host, now) ? "alive" : `silent for ${lengthOf(now - host.reportedAt)}`
        ])
      ])

export const hostDocument = (hosts: ReadonlyArray<KnownHost>, now: number) => ({
  hosts: hosts.map((host) => ({
    name: host.name,
    zone: host.zone,
    addresses: host.addresses,
    memory_mb: host.memoryMb,
    used_mb: host.usedMb,
    instances: host.instances,
    last_report: moment(host.reportedAt),
    alive: isAlive(host, now)
  }))
})
