# The API without pages, as a user without rights. The pages as well: docker run ... llm-cooperation ui --no-browser --host 0.0.0.0 --port 8080
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential cmake git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python -m venv /venv
# llama-cpp-python is compiled here, for any processor of the image's kind: not for the one that builds it.
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF" PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt constraints.txt requirements-test.txt ./
COPY extras extras
RUN /venv/bin/pip install -r requirements.txt "psycopg[binary]" -c constraints.txt
COPY pyproject.toml setup.py README.md LICENSE config.example.yaml app.py ./
# What the package takes along (see setup.py), so that its commands need no checkout here either.
COPY pages pages
COPY .streamlit .streamlit
COPY models/pytorch models/pytorch
COPY llm_cooperation llm_cooperation
COPY multi_llm_comparator multi_llm_comparator
RUN /venv/bin/pip install --no-deps .

FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 workbench \
    && mkdir -p /data /models /configs && chown workbench /data /models
COPY --from=build /venv /venv
WORKDIR /data
COPY --chown=workbench models/pytorch /models/pytorch
COPY configs /configs
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 MLC_HOME=/data MLC_MODELS_DIR=/models MLC_CONFIGS_DIR=/configs
# By its number, which a host without this name knows too.
USER 1000
VOLUME ["/data", "/models"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=5)"]
# SIGTERM lets requests in work end.
STOPSIGNAL SIGTERM
CMD ["llm-server", "--host", "0.0.0.0", "--port", "8080"]
