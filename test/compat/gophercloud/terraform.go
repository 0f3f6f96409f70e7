// What Terraform's resources openstack_db_instance_v1, _database_v1, _user_v1 and _configuration_v1 ask, in the order in
// which they ask it: to be created, read, changed and destroyed. What they wait for ends in an error there when a state
// comes that they do not know, so it does here.
package main

import (
	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/db/v1/configurations"
	"github.com/gophercloud/gophercloud/openstack/db/v1/databases"
	"github.com/gophercloud/gophercloud/openstack/db/v1/instances"
	"github.com/gophercloud/gophercloud/openstack/db/v1/users"
)

func terraform(client *gophercloud.ServiceClient) {
	// max_connections needs a restart, which Terraform does not ask for.
	small := createConfiguration(client, "small", map[string]interface{}{"work_mem": 1024})
	large := createConfiguration(client, "large", map[string]interface{}{"work_mem": 4096, "max_connections": 50})
	id := createInstance(client, small)
	createDatabase(client, id, "orders")
	createUser(client, id, "eve", "orders")
	readAll(client, id)
	changeConfiguration(client, id, large)
	untilItIs(client, "RESTART_REQUIRED", id)
	readAll(client, id)
	changeConfiguration(client, id, small)
	untilItIs(client, "ACTIVE", id)
	deleteUser(client, id, "eve")
	deleteDatabase(client, id, "orders")
	deleteInstance(client, id)
	deleteConfiguration(client, small)
	deleteConfiguration(client, large)
}

func createConfiguration(client *gophercloud.ServiceClient, name string, values map[string]interface{}) string {
	group, err := configurations.Create(client, configurations.CreateOpts{
		Name:        name,
		Description: "by Terraform",
		Values:      values,
		Datastore:   &configurations.DatastoreOpts{Type: "postgresql", Version: "18"},
	}).Extract()
	does("terraform: a configuration is created", name, err, group.Name)
	waitFor("terraform: the configuration is there", "ACTIVE", nil, func() (string, error) {
		_, err := configurations.Get(client, group.ID).Extract()
		return "ACTIVE", err
	})
	return group.ID
}

// What the service calls the network of its instances, unless it is told otherwise.
const network = "c0ffee00-0000-4000-8000-000000000001"

func createInstance(client *gophercloud.ServiceClient, group string) string {
	ordered, err := instances.Create(client, instances.CreateOpts{
		Name:      "applied",
		FlavorRef: "1",
		Size:      1,
		Datastore: &instances.DatastoreOpts{Type: "postgresql", Version: "18"},
		Networks:  []instances.NetworkOpts{{UUID: network}},
		Databases: databases.BatchCreateOpts{{Name: "shop"}},
		Users:     users.BatchCreateOpts{{Name: "ann", Password: "secret-1", Host: "%"}},
	}).Extract()
	does("terraform: an instance is created", `BUILD`, err, ordered.Status)
	waitFor("terraform: the instance becomes ready", "ACTIVE", []string{"BUILD"}, statusOf(client, ordered.ID))
	does("terraform: its configuration is attached", "", instances.AttachConfigurationGroup(client, ordered.ID, group).ExtractErr())
	return ordered.ID
}

func createDatabase(client *gophercloud.ServiceClient, id, name string) {
	does("terraform: a database is created", "", databases.Create(client, id, databases.BatchCreateOpts{{Name: name}}).ExtractErr())
	// The resource takes a database that it does not find at once for an error.
	waitFor("terraform: the database is there", "ACTIVE", nil, func() (string, error) {
		names, err := namesIn(client, id)
		if contains(names, name) {
			return "ACTIVE", err
		}
		return "missing", err
	})
}

func createUser(client *gophercloud.ServiceClient, id, name, database string) {
	does("terraform: a user is created", "", users.Create(client, id, users.BatchCreateOpts{
		{Name: name, Password: "secret-2", Databases: databases.BatchCreateOpts{{Name: database}}},
	}).ExtractErr())
	waitFor("terraform: the user is there", "ACTIVE", []string{"BUILD"}, func() (string, error) {
		told, err := usersIn(client, id)
		if contains(told, name+"["+database+"]") {
			return "ACTIVE", err
		}
		return "BUILD", err
	})
}

// What `terraform plan` asks.
func readAll(client *gophercloud.ServiceClient, id string) {
	shown, err := instances.Get(client, id).Extract()
	does("terraform: the instance is read", `applied 1 postgresql 18 \[\d+\.\d+\.\d+\.\d+\]`, err,
		shown.Name, shown.Flavor.ID, shown.Datastore.Type, shown.Datastore.Version, shown.IP)
	names, err := namesIn(client, id)
	does("terraform: its databases are read", `\[orders shop\]`, err, names)
	told, err := usersIn(client, id)
	does("terraform: its users are read", `\[ann\[\] eve\[orders\]\]`, err, told)
}

// The one is detached and the other attached in the same moment, whatever the first has come to.
func changeConfiguration(client *gophercloud.ServiceClient, id, other string) {
	does("terraform: the configuration is detached", "", instances.DetachConfigurationGroup(client, id).ExtractErr())
	does("terraform: another is attached", "", instances.AttachConfigurationGroup(client, id, other).ExtractErr())
}

func deleteUser(client *gophercloud.ServiceClient, id, name string) {
	does("terraform: the user is destroyed", "", users.Delete(client, id, name).ExtractErr())
}

func deleteDatabase(client *gophercloud.ServiceClient, id, name string) {
	does("terraform: the database is destroyed", "", databases.Delete(client, id, name).ExtractErr())
}

func deleteInstance(client *gophercloud.ServiceClient, id string) {
	does("terraform: the instance is destroyed", "", instances.Delete(client, id).ExtractErr())
	waitFor("terraform: the instance is gone", "DELETED", []string{"ACTIVE", "SHUTDOWN"}, statusOf(client, id))
}

func deleteConfiguration(client *gophercloud.ServiceClient, group string) {
	does("terraform: the configuration is destroyed", "", configurations.Delete(client, group).ExtractErr())
	waitFor("terraform: the configuration is gone", "DELETED", []string{"ACTIVE", "SHUTOFF"}, func() (string, error) {
		_, err := configurations.Get(client, group).Extract()
		if _, isGone := err.(gophercloud.ErrDefault404); isGone {
			return "DELETED", nil
		}
		return "ACTIVE", err
	})
}
