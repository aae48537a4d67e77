/*
 * command.h - what every command of shuntctl gets and returns.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "tools/shuntctl/admin_get.h"
#include "userspace/base/err.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, HEADERS_GIVEN_MAX = 32, WORDS_MAX = 5 };

struct command_options {
	bool json;
	struct admin_at admin; /* of the daemon */
	const char *pin_dir;
	const char *operand, *second;     /* NULL: none */
	const char *words[WORDS_MAX + 1]; /* all of them, as the first two; ends in NULL */
	bool all, session_resumed;
	const char *upstream;
	const char *interval, *timeout; /* the texts of options; NULL: not given */
	const char *vip, *reason, *endpoint, *rate, *count, *packet, *device;
	const char *from, *config, *at, *request_id, *subject, *session_id, *alpn;
	const char *headers[HEADERS_GIVEN_MAX]; /* of the request that is asked about */
	uint32_t header_count;
	uint32_t interval_ms; /* 0: no rates */
};

int command_check(const struct command_options *options);
int command_revisions(const struct command_options *options);
int command_test(const struct command_options *options);
int command_diff(const struct command_options *options);
int command_status(const struct command_options *options);
int command_watch(const struct command_options *options);
int command_explain(const struct command_options *options);
int command_explain_request(const struct command_options *options);
int command_endpoint(const struct command_options *options);
int command_flows(const struct command_options *options);
/* flows export, import, forget and resume. */
bool command_move_knows(const char *word);
int command_move(const struct command_options *options);

/* One sentence on stderr; returns EXIT_REFUSED. */
int command_refuse(const char *command, const struct err *err);
