/*
 * ceilings.h - how much this process will hold at once: connections, handshakes, bytes.
 *
 * Each has a ceiling from the start; what is asked for is compared with the descriptors and the
 * memory that there are, and where those do not suffice, a sentence says what to raise.
 */
#pragma once
#include "userspace/model/model.h"
#include "userspace/proxy/proxy.h"

/* What there is. */
struct ceilings_have {
	uint64_t files;        /* descriptors that may be open */
	uint64_t files_other;  /* that are no client's, nor of a connection for one */
	uint64_t memory_bytes; /* of the machine, or of the control group where that is less */
	uint32_t workers;
};

enum { CEILING_SENTENCES_MAX = 4 };

struct ceilings {
	struct proxy_ceilings each;                  /* of a worker */
	uint64_t memory_bytes;                       /* that all of it can come to */
	struct err sentences[CEILING_SENTENCES_MAX]; /* what was asked for and cannot be */
	uint32_t sentence_count;
};

/* Descriptors beside those of sessions; sockets: of listeners, of all workers. */
uint64_t ceilings_files_other(const struct model *model, uint32_t workers, uint32_t sockets);
uint64_t ceilings_memory(void);
void ceilings_compute(const struct model *model, const struct ceilings_have *have,
		      struct ceilings *out);
/* For checks without a daemon: by this process's own limits, one worker a CPU. */
void ceilings_foresee(const struct model *model, struct ceilings *out);
/* In the log: what they are, and what would raise them. */
void ceilings_say(const struct ceilings *ceilings);
