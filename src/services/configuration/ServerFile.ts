/**
 * The settings of a server as the text of its configuration file: what the flavor gives it, and over that what its
 * configuration group has. Later lines win, in every kind of server.
 */
import type { DatastoreManagerName } from "../Catalog.ts"
import type { Value, Values } from "./Parameter.ts"

const shareOf = (memoryMb: number) => (divisor: number, least: number, most: number) =>
  Math.round(Math.min(most, Math.max(least, memoryMb / divisor)))

/** In the units that the parameters have: PostgreSQL counts pages of 8 kB and kB, MariaDB and MySQL bytes. */
export const flavorSettings = (manager: DatastoreManagerName, memoryMb: number): Values => {
  const share = shareOf(memoryMb)
  if (manager !== "postgresql") return { innodb_buffer_pool_size: share(4, 16, 1024 * 1024) * 1024 * 1024 }
  const pages = (mb: number) => mb * 128
  return {
    max_connections: 100,
    shared_buffers: pages(share(4, 16, 8192)),
    effective_cache_size: pages(share(2, 32, 65536)),
    maintenance_work_mem: share(16, 16, 1024) * 1024,
    work_mem: share(128, 2, 64) * 1024
  }
}

const postgresLine = (name: string, value: Value) => {
  const text = typeof value === "boolean" ? (value ? "on" : "off") : String(value)
  return `${name} = '${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`
}

/** Inside quotes a backslash begins an escape sequence. */
const mariadbLine = (name: string, value: Value) => {
  if (typeof value !== "string") return `${name} = ${typeof value === "boolean" ? (value ? "ON" : "OFF") : value}`
  return `${name} = "${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`
}

/** How a kind of server has a setting in its file. */
export const lineOf = (manager: DatastoreManagerName) => (manager === "postgresql" ? postgresLine : mariadbLine)

/** `before`: lines of the kind of server that come first. */
export const serverFile = (
  manager: DatastoreManagerName,
  { memoryMb, settings }: { readonly memoryMb: number; readonly settings: Values },
  before: ReadonlyArray<string> = []
): string => {
  const line = lineOf(manager)
  const all = { ...flavorSettings(manager, memoryMb), ...settings }
  const lines = Object.entries(all).map(([name, value]) => line(name, value))
  return [...(manager === "postgresql" ? [] : ["[mysqld]"]), ...before, ...lines, ""].join("\n")
}
