/**
 * Every policy that a route asks, under the name and with the default that operators know from Trove. Those of
 * `operation:` and `audit:` are ours, as are `instance:stop`, `instance:start`, `instance:guest_log_action` and
 * `instance:guest_log_text`.
 */

const admin = "rule:admin"
const owner = "rule:admin_or_owner"
const anyone = ""

/** Asked by no route, and referred to by others. */
const base = {
  /** Who is an administrator: sees everybody's instances, and what only administrators are told. */
  context_is_admin: "role:admin",
  admin: "role:admin or is_admin:True",
  admin_or_owner: "rule:admin or project_id:%(tenant)s",
  default: owner
} as const

const actions = {
  "instance:create": owner,
  "instance:delete": owner,
  "instance:force_delete": owner,
  "instance:index": owner,
  "instance:detail": owner,
  "instance:show": owner,
  "instance:update": owner,
  "instance:edit": owner,
  "instance:restart": owner,
  "instance:stop": owner,
  "instance:start": owner,
  "instance:resize_volume": owner,
  "instance:resize_flavor": owner,
  "instance:reset_status": admin,
  "instance:promote_to_replica_source": owner,
  "instance:eject_replica_source": owner,
  "instance:configuration": owner,
  "instance:guest_log_list": owner,
  "instance:guest_log_action": owner,
  "instance:guest_log_text": owner,
  "instance:backups": owner,
  "instance:module_list": owner,
  "instance:module_apply": owner,
  "instance:module_remove": owner,
  "instance:extension:root:create": owner,
  "instance:extension:root:delete": owner,
  "instance:extension:root:index": owner,
  "instance:extension:user:create": owner,
  "instance:extension:user:delete": owner,
  "instance:extension:user:index": owner,
  "instance:extension:user:show": owner,
  "instance:extension:user:update": owner,
  "instance:extension:user:update_all": owner,
  "instance:extension:user_access:update": owner,
  "instance:extension:user_access:delete": owner,
  "instance:extension:user_access:index": owner,
  "instance:extension:database:create": owner,
  "instance:extension:database:delete": owner,
  "instance:extension:database:index": owner,
  "instance:extension:database:show": owner,
  "cluster:create": owner,
  "cluster:delete": owner,
  "cluster:force_delete": owner,
  "cluster:index": owner,
  "cluster:show": owner,
  "cluster:show_instance": owner,
  "cluster:action": owner,
  "cluster:reset-status": admin,
  "cluster:extension:root:create": owner,
  "cluster:extension:root:delete": owner,
  "cluster:extension:root:index": owner,
  "backup:create": owner,
  "backup:delete": owner,
  "backup:index": owner,
  "backup:index:all_projects": "role:admin",
  "backup:show": owner,
  "backup_strategy:create": owner,
  "backup_strategy:index": owner,
  "backup_strategy:delete": owner,
  "configuration:create": owner,
  "configuration:delete": owner,
  "configuration:index": owner,
  "configuration:show": owner,
  "configuration:instances": owner,
  "configuration:update": owner,
  "configuration:edit": owner,
  "configuration-parameter:index": owner,
  "configuration-parameter:show": owner,
  "configuration-parameter:index_by_version": owner,
  "configuration-parameter:show_by_version": owner,
  "datastore:index": anyone,
  "datastore:show": anyone,
  "datastore:delete": admin,
  "datastore:version_show": anyone,
  "datastore:version_show_by_uuid": anyone,
  "datastore:version_index": anyone,
  "datastore:list_associated_flavors": anyone,
  "datastore:list_associated_volume_types": anyone,
  "flavor:index": anyone,
  "flavor:show": anyone,
  "limits:index": owner,
  "module:create": owner,
  "module:delete": owner,
  "module:index": owner,
  "module:show": owner,
  "module:instances": owner,
  "module:update": owner,
  "module:reapply": owner,
  "operation:index": admin,
  "operation:show": admin,
  "operation:action": admin,
  "audit:show": admin,
  "audit:fix": admin
} as const

/** What a route may ask for. */
export type PolicyName = keyof typeof actions

/** Name to expression; a policy file overrides any of them. */
export const defaults: Readonly<Record<string, string>> = { ...base, ...actions }
