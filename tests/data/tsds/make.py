"""Optima of TSDS's problem (arXiv 2410.11303) by SciPy's HiGHS, for random small clouds and three penalties.

    min over γ ≥ 0 with rows that sum to 1/M of  (α/C) <γ, d> + (1 − α) G(γ)

    uniform   G = M max γ_ij                     (one-sided: without the constant 1/N, and rows with γ = 0 do not count)
    two-sided G = M max |γ_ij − 1/(MN)|          (as the paper has it; the closed form holds for K <= N/2)
    kde       G = M max ρ_i γ_ij                 (one-sided; ρ by the nearest rows among those on the lists)
    tv        G = 1/2 sum |γ_ij − 1/(MN)|

Writes lp.json: the clouds (binary32 values), the settings, and per penalty the optimal value, the masses of the rows
and, for kde, the densities. Run with SciPy 1.17.1, NumPy 2.4.
"""
import json
import numpy as np
import scipy
from scipy.optimize import linprog

SIGMA, LISTED = 0.75, 12


def costs(pool, query):
    p = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    q = query / np.linalg.norm(query, axis=1, keepdims=True)
    return 1 - q @ p.T, p


def solve(d, price, extra, rows, bounds, rhs):
    """γ flattened query-major, then `extra` more variables with these prices."""
    m, n = d.shape
    a_eq = np.zeros((m, m * n + len(extra)))
    for j in range(m):
        a_eq[j, j * n:(j + 1) * n] = 1
    c = np.concatenate([price * d.ravel(), extra])
    out = linprog(c, A_ub=rows, b_ub=rhs, A_eq=a_eq, b_eq=np.full(m, 1 / m), bounds=bounds, method="highs",
                  options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10})
    assert out.status == 0, out.message
    return out.fun, out.x[:m * n].reshape(m, n).sum(axis=0)


def capped(d, price, weight, density, two_sided=False):
    """(1 − α) M max ρ γ (or of the deviation from 1/(MN))."""
    m, n = d.shape
    level = 1 / (m * n) if two_sided else 0
    upper = np.hstack([np.diag(np.tile(density, m)), -np.ones((m * n, 1))])
    rhs = np.full(m * n, level)
    if two_sided:
        lower = np.hstack([-np.eye(m * n), -np.ones((m * n, 1))])
        upper, rhs = np.vstack([upper, lower]), np.concatenate([rhs, np.full(m * n, -level)])
    return solve(d, price, [weight * m], upper, (0, None), rhs)


def variation(d, price, weight):
    m, n = d.shape
    eye = np.eye(m * n)
    rows = np.vstack([np.hstack([eye, -eye]), np.hstack([-eye, -eye])])
    rhs = np.concatenate([np.full(m * n, 1 / (m * n)), np.full(m * n, -1 / (m * n))])
    return solve(d, price, np.full(m * n, weight / 2), rows, (0, None), rhs)


def densities(d, unit):
    listed = np.unique(np.argsort(d, axis=1, kind="stable")[:, :LISTED])
    rho = np.ones(d.shape[1])
    squared = 2 * (1 - unit[listed] @ unit[listed].T)
    nearest = np.sort(np.maximum(squared, 0), axis=1)[:, :LISTED]
    rho[listed] = np.maximum(0, 1 - nearest / SIGMA**2).sum(axis=1)
    return rho


cases = []
rng = np.random.default_rng(5)
for n, m, dim, alpha in [(120, 3, 5, .985), (120, 2, 4, .99), (120, 5, 6, .98), (120, 1, 3, .99), (120, 4, 8, .985)]:
    centres = rng.normal(size=(4, dim))
    cloud = lambda rows: (centres[rng.integers(4, size=rows)] + .5 * rng.normal(size=(rows, dim))).astype(np.float32)
    pool, query = cloud(n), cloud(m)
    d, unit = costs(pool.astype(float), query.astype(float))
    scale = 1.0
    price, weight = alpha / scale, 1 - alpha
    rho = densities(d, unit)
    case = {"dim": dim, "alpha": alpha, "tradeoff_c": scale, "sigma": SIGMA, "list_cap": LISTED,
            "pool": [float(str(x)) for x in pool.ravel()], "query": [float(str(x)) for x in query.ravel()], "density": rho.tolist()}
    for name, (value, mass) in {
        "uniform": capped(d, price, weight, np.ones(n)),
        "two_sided": capped(d, price, weight, np.ones(n), True),
        "kde": capped(d, price, weight, rho),
        "tv": variation(d, price, weight),
    }.items():
        case[name] = {"value": value, "mass": mass.tolist()}
        print(n, m, alpha, name, value, (mass > 1e-12).sum())
    cases.append(case)
with open("lp.json", "w") as out:
    json.dump({"scipy": scipy.__version__, "numpy": np.__version__, "cases": cases}, out)
