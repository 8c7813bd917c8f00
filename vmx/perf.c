// SPDX-License-Identifier: GPL-2.0
/*
 * The host's performance counters while a guest runs: perf says which must
 * stop.  Above all those that write records (PEBS) to a linear address, which
 * in the guest is the guest's.
 */
#include <asm/msr.h>
#include <asm/perf_event.h>

#include "vmx/vmx.h"

/* perf's answer is a table of this CPU's, good as long as interrupts are off. */
void perf_load_guest(struct vcpu_vmx *vmx)
{
	struct host_perf *perf = &vmx->host.perf;
	int i;

	perf->n = 0;
	perf->msrs = perf_guest_get_msrs(&perf->n, NULL);
	if (!perf->msrs)
		perf->n = 0;
	for (i = 0; i < perf->n; i++)
		if (unlikely(perf->msrs[i].host != perf->msrs[i].guest))
			wrmsrl(perf->msrs[i].msr, perf->msrs[i].guest);
}

void perf_load_host(struct vcpu_vmx *vmx)
{
	const struct host_perf *perf = &vmx->host.perf;
	int i;

	for (i = perf->n - 1; i >= 0; i--)
		if (unlikely(perf->msrs[i].host != perf->msrs[i].guest))
			wrmsrl(perf->msrs[i].msr, perf->msrs[i].host);
}
