/**
 * What Trove's own agents must be told at `prepare` and ours know by themselves: where the volume is, and the whole
 * configuration of the server. The configuration is the least that the agent can live with; what it adds itself goes
 * to the folder that is included.
 */
import type { DatastoreManagerName } from "./Catalog.ts"
import type { ServerSpec } from "./Compute.ts"

interface TroveOrder {
  readonly device_path: string | null
  readonly mount_point: string
  readonly config_contents: string
}

const megabyte = (mb: number) => `${Math.max(1, Math.floor(mb))}M`

/**
 * Of MariaDB and MySQL. Names are not resolved, for a login would wait for a name server that may not be there;
 * `utf8` means all of Unicode, for Trove 18 cannot name the collations of the other.
 */
const mysql = (memoryMb: number, isMariadb: boolean) => `[client]
socket = /var/run/mysqld/mysqld.sock

[mysqld]
port = 3306
datadir = /var/lib/mysql/data
socket = /var/run/mysqld/mysqld.sock
pid_file = /var/run/mysqld/mysqld.pid
tmpdir = /var/tmp
skip_name_resolve = ON
${isMariadb ? "old_mode =\n" : ""}innodb_buffer_pool_size = ${megabyte(memoryMb / 4)}

!includedir /etc/mysql/conf.d/
`

const postgres = (memoryMb: number) => `listen_addresses = '*'
port = 5432
unix_socket_directories = '/var/run/postgresql'
shared_buffers = '${megabyte(memoryMb / 4)}B'
include_dir = '/etc/postgresql/conf.d'
`

const orders: Record<DatastoreManagerName, (memoryMb: number) => Pick<TroveOrder, "mount_point" | "config_contents">> =
  {
    mariadb: (memoryMb) => ({ mount_point: "/var/lib/mysql", config_contents: mysql(memoryMb, true) }),
    mysql: (memoryMb) => ({ mount_point: "/var/lib/mysql", config_contents: mysql(memoryMb, false) }),
    postgresql: (memoryMb) => ({ mount_point: "/var/lib/postgresql", config_contents: postgres(memoryMb) })
  }

/** The device is in the agent's own configuration, which whoever makes its server writes. */
export const troveOrder = ({ manager, memoryMb }: ServerSpec): TroveOrder => ({
  device_path: null,
  ...orders[manager](memoryMb)
})
