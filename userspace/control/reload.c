#include "userspace/control/reload.h"

#include <string.h>

#include "userspace/base/log.h"
#include "userspace/tls/tls_tickets.h"

static void say(const struct findings *findings, const char *file)
{
	for (uint32_t i = 0; i < findings->count; i++)
		log_line(LOG_ERROR, "%s", findings->list[i].text);
	if (findings->more)
		log_line(LOG_ERROR, "%s: %u more mistakes are not shown", file, findings->more);
}

struct snapshot *reload_read(const char *file, uint64_t number, bool strict)
{
	struct findings findings = { 0 };
	struct model *model = model_load(file, &findings);
	struct snapshot *snapshot = model ? snapshot_create(model, number) : NULL;
	struct err err;

	if (snapshot && snapshot_secure(snapshot, strict, &findings) &&
	    tls_tickets_use(model->node.ticket_keys, &err))
		return snapshot;
	if (snapshot && findings.count == 0)
		log_line(LOG_ERROR, "%s", err.text);
	say(&findings, file);
	snapshot_unref(snapshot);
	return NULL;
}

static bool devices_are(const struct node *a, const struct node *b)
{
	if (a->device_count != b->device_count)
		return false;
	for (uint32_t i = 0; i < a->device_count; i++)
		if (strcmp(a->devices[i], b->devices[i]) != 0)
			return false;
	return true;
}

void reload_warn_fixed(const struct node *before, const struct node *after)
{
	if (!devices_are(before, after))
		log_line(LOG_WARNING,
			 "node.devices has changed: takes effect when shuntd is started "
			 "again");
	if (before->splice_port_first != after->splice_port_first ||
	    before->splice_port_last != after->splice_port_last)
		log_line(LOG_WARNING,
			 "the splice ports of node have changed: takes effect when shuntd "
			 "is started again");
}
