#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/shuntctl/command.h"
#include "userspace/control/flows.h"

static const char *string(const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text ? text : "-";
}

static long long integer(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

static void print_table(const json_t *flows)
{
	const json_t *flow;
	size_t i;

	printf("%-22s %-22s %-22s %-12s %-9s %12s %12s %7s\n", "client", "vip", "endpoint",
	       "upstream", "state", "bytes in", "bytes out", "age s");
	json_array_foreach((json_t *)flows, i, flow)
		printf("%-22s %-22s %-22s %-12s %-9s %12lld %12lld %7lld\n", string(flow, "client"),
		       string(flow, "vip"), string(flow, "endpoint"), string(flow, "upstream"),
		       string(flow, "state"), integer(flow, "bytes_in"), integer(flow, "bytes_out"),
		       integer(flow, "age_s"));
	printf("%zu spliced connection%s\n", json_array_size(flows),
	       json_array_size(flows) == 1 ? "" : "s");
}

int command_flows(const struct command_options *options)
{
	struct err err = { .text = "out of memory" };
	char *text = flows_print(options->pin_dir, &err);
	json_t *flows;

	if (!text)
		return command_refuse("flows", &err);
	flows = options->json ? NULL : json_loads(text, 0, NULL);
	if (flows)
		print_table(flows);
	else
		puts(text);
	json_decref(flows);
	free(text);
	return EXIT_DONE;
}
