/**
 * What is not offered although a server has it, and why: it would hand the machine to the tenant, or break what keeps
 * the server. Whoever derives the parameters of a version leaves these out.
 */
import type { DatastoreManagerName } from "../Catalog.ts"

type Rule = readonly [name: RegExp, why: string]

const files = "it names files or folders of the machine"
const code = "it makes the server load or run programs"
const reached = "it decides where the server listens, and how it is reached and logged in to"
const logs = "the server's log is where the guest looks for it"
const safety = "with it a crash or a power cut loses what was confirmed"
const care = "with it the guest cannot log in, or cannot change anything"
const copies = "copies of the data are the service's to make"
const fixed = "it is settled when the data folder is made"

const postgresql: ReadonlyArray<Rule> = [
  [/^(data_directory|config_file|hba_file|ident_file|external_pid_file|stats_temp_directory)$/, files],
  [/_preload_libraries$|^(dynamic_library_path|extension_control_path|jit_provider|.*_library|.*_libraries)$/, code],
  [/^(plperlu?|plpython\w*|pltclu?)\.|^pg_tle\.|^cron\./, code],
  [/_command$|^(ssl_passphrase|archive_|event_triggers|output_plugin)/, code],
  [/^(listen_addresses|port|unix_socket_|ssl|bonjour|krb_|gss_|db_user_namespace|password_encryption)/, reached],
  [/^(authentication_timeout|scram_|md5_|oauth_|row_security)/, reached],
  [/^(log_destination|logging_collector|log_directory|log_file|log_rotation|log_truncate|log_line_prefix)/, logs],
  [/^(syslog_|event_source)/, logs],
  [/^(fsync|full_page_writes|zero_damaged_pages|ignore_|data_sync_retry|wal_sync_method)$/, safety],
  [/^(superuser_reserved_connections|reserved_connections|default_transaction_read_only)$/, care],
  [/^(transaction_|session_replication_role|allow_system_table_mods|allow_alter_system|search_path)/, care],
  // Texts are quoted by the rule that a backslash is a backslash.
  [/^(standard_conforming_strings|backslash_quote|client_encoding)$/, care],
  [/^(role|session_authorization|is_superuser|include|include_dir|include_if_exists)$/, care],
  [/^(restart_after_crash|lo_compat_privileges|createrole_self_grant)$/, care],
  [/^(recovery_|restore_|primary_|promote_|hot_standby|synchronous_standby_names|synchronized_standby_slots)/, copies],
  [/^(sync_replication_slots|wal_level|cluster_name|max_slot_wal|wal_keep_size)/, copies]
]

const mariadb: ReadonlyArray<Rule> = [
  [
    /^(datadir|basedir|tmpdir|.*_tmpdir|secure_file_priv|pid_file|ignore_db_dirs|ft_stopword_file|.*_dir|.*_dir_path)$/,
    files
  ],
  [/^(innodb_(data|log_group|undo_dir|temp_data|buffer_pool_filename|read_only|force)|character_sets_dir)/, files],
  [/^(plugin_|plugins_|init_|.*_plugin$|tc_heuristic|log_tc_size|proxy_|wsrep_|feedback_|local_infile)/, code],
  [/^(socket|port|extra_port|bind_address|skip_|require_secure_transport|ssl_|tls_|have_|secure_)/, reached],
  [/^(named_pipe|old_passwords|strict_password_validation|default_password_lifetime|disconnect_on_expired)/, reached],
  [
    /^(max_password_errors|password_reuse|simple_password|extra_max_connections|unix_socket|version|redirect_url)/,
    reached
  ],
  [
    /^(general_log_file|slow_query_log_file|log_slow_query_file|log_error|log_output|log_syslog|syslog|core_file)$/,
    logs
  ],
  [/^(innodb_doublewrite|innodb_checksum|innodb_use_atomic|innodb_force|sync_frm|flush|innodb_flush_method)/, safety],
  [
    /^(max_statement_time|max_session_mem_used|max_tmp_.*_space_usage|innodb_.*_(now|abort)|read_only|super_read_only|max_user_connections|autocommit|completion_type|tx_|transaction_)/,
    care
  ],
  [/^(sql_log_off|foreign_key_checks|unique_checks|pseudo_|rand_seed|insert_id|last_insert|timestamp)/, care],
  [/^(log_bin|binlog_|sync_binlog|expire_logs|relay_|report_|replicate_|rpl_|slave_|master_|gtid_|server_id)/, copies],
  [/^(sync_(master|relay)|max_binlog|max_relay|encrypt_binlog|read_binlog|sql_log_bin|skip_parallel)/, copies],
  [
    /^(lower_case_table_names|innodb_page_size|innodb_undo_tablespaces|innodb_file_per_table|innodb_compression_)/,
    fixed
  ]
]

const rules: Readonly<Record<DatastoreManagerName, ReadonlyArray<Rule>>> = { postgresql, mariadb, mysql: mariadb }

/** Why the parameter is not offered; null where it is. */
export const withheld = (manager: DatastoreManagerName, name: string): string | null =>
  rules[manager].find(([pattern]) => pattern.test(name))?.[1] ?? null
