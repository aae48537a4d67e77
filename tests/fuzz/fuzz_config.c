/*
 * Configurations: whatever the text, either a model that compiles and ends whole, or at least one
 * and at most FINDINGS_MAX sentences.
 */
#include "userspace/base/must.h"
#include "userspace/model/model.h"
#include "userspace/snapshot/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses the text of a quoted token with very many escapes; it has no symbols. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct findings findings;
	struct model *model = model_load_text("fuzz.yaml", (const char *)data, size, &findings);

	if (model) {
		MUST(findings.count == 0 && findings.more == 0);
		model_forget_root(model); /* nothing of it may be needed */
		snapshot_unref(snapshot_create(model, 1));
	} else {
		MUST(findings.count > 0 && findings.count <= FINDINGS_MAX);
		MUST(findings.more == 0 || findings.count == FINDINGS_MAX);
	}
	return 0;
}
