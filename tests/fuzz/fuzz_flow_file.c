/*
 * Flow files: whatever is read is told by one sentence or is sound, and what was read is written as
 * something that is read as the same.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/control/flow_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One sentence that names a line, and nothing that a terminal would obey. */
static void check_sentence(const struct err *err)
{
	MUST(strncmp(err->text, "line ", 5) == 0 && isdigit((unsigned char)err->text[5]));
	MUST(strlen(err->text) < sizeof(err->text) - 1);
	for (const char *at = err->text; *at; at++)
		MUST(*at >= ' ' && *at <= '~');
}

static void check_record(const struct flow_record *record)
{
	const struct splice *sp = &record->splice;

	MUST(sp->state == SPLICE_SPLICED && sp->events == 0 && sp->source_port == 0);
	MUST(sp->name[0] && memchr(sp->name, '\0', sizeof(sp->name)));
	MUST((sp->tunnel.vni != 0) == (sp->dir[0].wraps != 0) && sp->dir[1].wraps == 0);
	for (int i = 0; i < 2; i++) {
		MUST(sp->dir[i].ack_delta == -sp->dir[!i].seq_delta);
		MUST(sp->dir[i].tsecr_delta == -sp->dir[!i].ts_delta);
		MUST(sp->dir[i].ws_in <= 14 && sp->dir[i].ws_out <= 14 && sp->dir[i].fin <= 2);
		MUST(sp->dir[i].out.sport && sp->dir[i].out.dport);
	}
}

static void check_written(const struct flow_record *record, const struct flow_head *of)
{
	struct flow_record again;
	struct flow_head head = *of;
	char *first, *second, *all;
	struct flow_reader reader;
	struct err err = { "" };
	size_t len;

	head.flows = 1;
	first = flow_head_print(&head);
	second = flow_record_print(record);
	MUST(first && second && strlen(second) < FLOW_FILE_LINE_MAX);
	len = strlen(first) + strlen(second);
	all = malloc(len + 1);
	MUST(all);
	memcpy(all, first, strlen(first));
	memcpy(all + strlen(first), second, strlen(second) + 1);
	MUST(flow_reader_begin(&reader, span_make(all, len), &err));
	MUST(strcmp(reader.head.node, of->node) == 0 && reader.head.time_ms == of->time_ms);
	MUST(flow_reader_next(&reader, &again, &err));
	MUST(memcmp(&again.splice, &record->splice, sizeof(again.splice)) == 0);
	MUST(memcmp(&again.rate, &record->rate, sizeof(again.rate)) == 0);
	MUST(again.age_ms == record->age_ms);
	MUST(!flow_reader_next(&reader, &again, &err) && !err.text[0]);
	free(all);
	free(second);
	free(first);
}

/* The first "@" becomes this ABI's number, so that the corpus outlives it. Exactly *size bytes. */
static char *with_abi(const uint8_t *data, size_t *size)
{
	const uint8_t *at = *size ? memchr(data, '@', *size) : NULL;
	char digits[12] = "", *copy;
	size_t before = at ? (size_t)(at - data) : *size, n;

	if (at)
		snprintf(digits, sizeof(digits), "%d", ABI_VERSION);
	n = strlen(digits);
	copy = malloc(*size + n + 1);
	MUST(copy);
	memcpy(copy, data, before);
	memcpy(copy + before, digits, n);
	if (at)
		memcpy(copy + before + n, at + 1, *size - before - 1);
	*size = *size + n - (at ? 1 : 0);
	return realloc(copy, *size ? *size : 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = with_abi(data, &size);
	struct flow_record record;
	struct flow_reader reader;
	struct err err = { "" };
	uint32_t count = 0;
	bool begun;

	begun = flow_reader_begin(&reader, span_make(copy, size), &err);
	while (begun && flow_reader_next(&reader, &record, &err)) {
		check_record(&record);
		check_written(&record, &reader.head);
		MUST(++count <= reader.head.flows);
	}
	if (err.text[0])
		check_sentence(&err);
	else
		MUST(count == reader.head.flows && reader.rest.len == 0);
	free(copy);
	return 0;
}
