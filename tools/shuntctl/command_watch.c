#include <jansson.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/shuntctl/command.h"
#include "tools/shuntctl/traffic_names.h"
#include "userspace/base/clock.h"
#include "userspace/control/sample_print.h"
#include "userspace/control/samples.h"

enum { WAIT_MS = 500, WORD_MAX = 128 };

struct watching {
	const struct traffic_names *names; /* NULL: no daemon says them */
	uint64_t wall_ns;                  /* what a sample's time lacks to that since 1970 */
	uint64_t left;                     /* samples until it ends; 0: no limit */
	bool json;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

static const char *device(uint32_t ifindex, char out[IF_NAMESIZE])
{
	return ifindex ? if_indextoname(ifindex, out) : NULL;
}

static bool on_sample(void *context, const struct sample *sample)
{
	char vip[TRAFFIC_NAME_MAX], endpoint[TRAFFIC_NAME_MAX], in[IF_NAMESIZE], out[IF_NAMESIZE];
	struct watching *w = context;
	struct sample_names names = {
		.vip = traffic_names_vip(w->names, sample->vip, vip) ? vip : NULL,
		.endpoint = traffic_names_endpoint(w->names, sample->endpoint, endpoint) ? endpoint
											 : NULL,
		.device = device(sample->ifindex, in),
		.out_device = device(sample->out_ifindex, out),
	};
	uint64_t wall_ns = sample->time_ns + w->wall_ns;

	if (w->json) {
		json_t *one = sample_json(sample, &names, wall_ns);

		json_dumpf(one, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(one);
	} else {
		puts(sample_print(sample, &names, wall_ns).text);
	}
	/* Who reads sees it at once; who has gone away ends it. */
	return fflush(stdout) == 0 && (!w->left || --w->left > 0);
}

struct words {
	const struct traffic_names *names;
	struct samples_want *want;
	struct err *err;
};

static bool take_reason(const struct words *to, const char *word)
{
	uint32_t why = sample_reason_find(word, strlen(word));

	if (why == COUNTERS)
		return err_set(to->err,
			       "there is no reason \"%s\"; `shuntctl status --json` lists them",
			       word);
	samples_bit(to->want->reasons, why);
	return true;
}

static bool take_vip(const struct words *to, const char *word)
{
	return traffic_names_find_vip(to->names, word, to->want->vips) ||
	       err_set(to->err, "there is no vip \"%s\"", word);
}

static bool take_endpoint(const struct words *to, const char *word)
{
	return traffic_names_find_endpoint(to->names, word, to->want->endpoints) ||
	       err_set(to->err, "no L4 listener has an endpoint or upstream \"%s\"", word);
}

/* Each word of a list with commas. */
static bool take_list(const char *list, bool (*take)(const struct words *to, const char *word),
		      const struct words *to)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");
		char word[WORD_MAX];

		snprintf(word, sizeof(word), "%.*s", (int)(len < WORD_MAX ? len : WORD_MAX - 1),
			 list);
		if (!take(to, word))
			return false;
		list += len + (list[len] == ',');
	}
	return true;
}

static bool take_number(const char *option, const char *text, uint64_t max, uint64_t *out,
			struct err *err)
{
	char *end;
	unsigned long long n;

	if (!text)
		return true;
	n = strtoull(text, &end, 10);
	if (*text == '-' || end == text || *end || n < 1 || n > max)
		return err_set(err, "%s takes a number from 1 to %llu, not \"%s\"", option,
			       (unsigned long long)max, text);
	*out = n;
	return true;
}

static bool read_want(const struct command_options *o, const struct traffic_names *names,
		      struct samples_want *want, uint64_t *out_count, struct err *err)
{
	struct words words = { names, want, err };
	uint64_t one_of = 1;

	if (!take_number("--rate", o->rate, UINT32_MAX, &one_of, err) ||
	    !take_number("--count", o->count, UINT32_MAX, out_count, err))
		return false;
	want->one_of = (uint32_t)one_of;
	return take_list(o->reason, take_reason, &words) && take_list(o->vip, take_vip, &words) &&
	       take_list(o->endpoint, take_endpoint, &words);
}

static void run(struct samples *samples, struct watching *w)
{
	struct sigaction quit = { .sa_handler = on_signal };
	uint64_t lost;

	sigaction(SIGINT, &quit, NULL);
	sigaction(SIGTERM, &quit, NULL);
	sigaction(SIGHUP, &quit, NULL);
	signal(SIGPIPE, SIG_IGN);
	fputs("watching from now on\n", stderr);
	w->wall_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	while (!interrupted && samples_wait(samples, WAIT_MS, on_sample, w))
		;
	lost = samples_lost(samples);
	if (lost)
		fprintf(stderr,
			"%llu packets were not shown, they came faster than they were read; take "
			"--rate\n",
			(unsigned long long)lost);
}

int command_watch(const struct command_options *options)
{
	struct samples_want want = { 0 };
	struct watching w = { .json = options->json };
	struct err err;
	struct traffic_names *names = traffic_names_get(&options->admin, &err);
	struct samples *samples = NULL;

	/* Without a daemon only numbers are shown, and names cannot be asked for. */
	w.names = names;
	if ((names || (!options->vip && !options->endpoint)) &&
	    read_want(options, names, &want, &w.left, &err))
		samples = samples_open(options->pin_dir, &want, &err);
	if (samples)
		run(samples, &w);
	samples_close(samples);
	traffic_names_free(names);
	return samples ? EXIT_DONE : command_refuse("watch", &err);
}
