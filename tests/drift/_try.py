import sys,time,collections,pathlib,tempfile
from tests.drift.rig import *
from tests.drift.mutants import dotted
n=int(sys.argv[2])
with tempfile.TemporaryDirectory(dir="/dev/shm") as d:
    t0=time.time()
    rec=pathlib.Path(sys.argv[3]) if len(sys.argv)>3 and sys.argv[3] else None
    with rigs(sys.argv[1], pathlib.Path(d), rec, paged=len(sys.argv)>4) as found:
        print("ready",time.time()-t0,[(r.resource,len(r.healthy.read),list(r.healthy.counts.warnings)[:3],len(r.tape.bodies)) for r in found])
        c=collections.Counter(); t0=time.time()
        for r in found:
            for m in r.mutants(1,n//len(found)):
                if len(sys.argv)>4 and m.kind!='paging': continue
                v,why=judged(r,m); c[m.kind,v]+=1
                if v in("crashed","lost","silent"): print(r.resource,m,v,why[:300])
        print(time.time()-t0); print(sorted(c.items()))
