#include "userspace/control/reload.h"

#include <string.h>

#include "userspace/base/log.h"

struct snapshot *reload_read(const char *file, uint64_t number)
{
	struct findings findings = { 0 };
	struct model *model = model_load(file, &findings);

	for (uint32_t i = 0; i < findings.count; i++)
		log_line(model ? LOG_WARNING : LOG_ERROR, "%s", findings.list[i].text);
	if (findings.more)
		log_line(LOG_ERROR, "%s: %u more mistakes are not shown", file, findings.more);
	return model ? snapshot_create(model, number) : NULL;
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
	if (before->workers != after->workers)
		log_line(LOG_WARNING,
			 "node.workers has changed: takes effect when shuntd is started "
			 "again");
	if (before->splice_port_first != after->splice_port_first ||
	    before->splice_port_last != after->splice_port_last)
		log_line(LOG_WARNING,
			 "the splice ports of node have changed: takes effect when shuntd "
			 "is started again");
}
